// ColdReads: has what lies on the disk only read into the machine's memory (the kernel's cache of
// files), beside the core and not on it, so that who reads old records holds up nobody else.
//
// Owner: the core's Broker; used on its thread only. Nothing is kept here but places: what was read
// is read again by whoever asked for it, then from memory.
//
// How a reader works with it:
//   1. try_read(); what comes back is there;
//   2. nothing: begin() it and, where wants_window(), what comes behind; then wait();
//   3. when that calls, try_read() again. It gives what was waited for even if it has left memory
//      meanwhile, and the errors of the disk: as a read that blocks.
//
// Who reads on in order is kept ahead of: about in the middle of what was read in advance there is
// a mark, and take_mark() tells its reader to begin_ahead() with what comes behind.
//
// Who needs much of which it is known in advance (see Trial) has it fetch()ed: in pieces, several
// at a time, those of one in turn with those of others.
//
// Limits: of what somebody waits for, needed_max places, then one waits until there is room; of
// reads in advance ahead_max, then they are not done. What is fetched is bounded by who asks for
// it. under_way_max are being read at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/function.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/journal.h"

namespace trv::broker {

class Broker;
class Trial;

class ColdReads {
 public:
  static constexpr std::size_t needed_max = 256;
  static constexpr std::size_t ahead_max = 16;
  static constexpr std::size_t under_way_max = 4;
  // The last of them are left to what somebody waits for.
  static constexpr std::size_t ahead_under_way_max = 2;
  static constexpr std::size_t fetches_under_way_max = 3;
  // Places that lie so near each other are read at once, with what lies between.
  static constexpr std::uint64_t gap_max = 64u << 10;
  // Marks, and places that were waited for, that are remembered.
  static constexpr std::size_t remembered_max = 1024;
  // What is read in advance at a time.
  static constexpr std::size_t window_size_max = 4u << 20;
  static constexpr std::size_t window_places_max = 512;

  explicit ColdReads(Broker& broker);
  ~ColdReads();
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  // Where reads may block. Before the broker starts; else it is where the core's other work does.
  void use(storage::Offload offload) { offload_ = std::move(offload); }

  // As Broker::read_blob(), but nothing where the disk would have to be waited for.
  Result<std::optional<storage::Journal::Blob>> try_read(BlobRange where);

  struct Window {
    std::vector<BlobRange> places;
    Sequence resume;  // of the topic: where the next window begins
    bool last = false;
  };
  // Reads a place that somebody waits for, unless that is under way or there is no room.
  void begin(BlobRange needed);
  // Reads in advance. Requires: wants_window() of a place before.
  void begin_ahead(const Window& window);
  // Whether there is room for a window, and none that `where` is part of.
  bool wants_window(BlobRange where) const;
  // Runs `done` once, in a later handler of this core: what was begun is in memory, or there is
  // room to begin it.
  void wait(BlobRange where, UniqueFunction<void()> done);
  // The mark at this place, if any: where the window behind begins. It is told once.
  std::optional<Sequence> take_mark(BlobRange where);

  struct Fetch;
  // Has all these places read, and then runs `done`, in a later handler of this core. Whoever drops
  // the result no longer wants it; then `done` does not run.
  [[nodiscard]] std::shared_ptr<Fetch> fetch(std::vector<BlobRange> places,
                                             UniqueFunction<void()> done);

  // For Trial: the one that is under way; null when there is none.
  Trial* trial() const { return trial_; }
  void begin_trial(Trial& trial);
  void end_trial(const Trial& trial);

  // Places that are being read or wait for it, those that were left for want of room not counted.
  std::size_t test_busy() const {
    return needed_.size() + ahead_.size() + fetches_.size() + under_way_;
  }
  std::size_t test_marks() const { return marks_.size(); }

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;  // shared with the thread that reads
  struct Place {
    std::uint64_t blob = 0;
    std::uint32_t position = 0;
    bool operator==(const Place&) const = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const {
      return std::hash<std::uint64_t>()(place.blob * 0x9e37'79b9'7f4a'7c15 ^ place.position);
    }
  };
  static Place place_of(const BlobRange& where) { return {where.blob, where.position}; }

  bool add(const JobPtr& job, const BlobRange& where);
  void start_more();
  void start_fetches();
  void start(const JobPtr& job);
  void end_piece(const JobPtr& job);
  void finish(const JobPtr& job);
  void note_waited_for(Place place);
  void note_mark(Place place, Sequence resume);

  Broker& broker_;
  storage::Offload offload_;
  // Dies with this; reads that come back later find nobody.
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
  std::deque<JobPtr> needed_;                              // not begun yet
  std::deque<JobPtr> ahead_;                               // the same
  std::deque<std::weak_ptr<Fetch>> fetches_;               // with pieces that are not begun yet
  std::unordered_map<Place, JobPtr, PlaceHash> by_place_;  // needed ones, until they have ended
  std::vector<UniqueFunction<void()>> room_waiters_;
  std::size_t under_way_ = 0;
  std::vector<JobPtr> ahead_under_way_;
  std::size_t fetches_under_way_ = 0;  // pieces
  Trial* trial_ = nullptr;
  // The oldest go first; what is in a queue only is forgotten.
  std::unordered_set<Place, PlaceHash> waited_for_;
  std::deque<Place> waited_for_order_;
  std::unordered_map<Place, Sequence, PlaceHash> marks_;
  std::deque<Place> marks_order_;
};

}  // namespace trv::broker
