// The journal's state: journal.cc writes and syncs, journal_segments.cc keeps the chain of
// segments, journal_rewrite.cc gives up files that failed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "io/claim.h"
#include "storage/journal.h"
#include "storage/segment_files.h"
#include "storage/tail.h"

namespace trv::storage {

struct Waiter {
  std::uint64_t entries;
  Completion done;
};

// One sync of everything written so far, by whichever thread gets to it.
struct SyncJob {
  io::Claim claim;
  std::vector<SegmentFile> segments;
  io::Directory* directory = nullptr;  // when its names have changed
  bool directory_failed = false;
  // What is durable when it succeeds.
  std::uint64_t entries = 0;
  LanePlace place;
  Status result;

  void run() {
    if (!claim.try_take()) return;
    for (const SegmentFile& segment : segments) {
      if (result.ok()) result = segment.file->sync();
    }
    if (result.ok() && directory != nullptr) {
      result = directory->sync();
      directory_failed = !result.ok();
    }
    claim.finish();
  }
};

struct Journal::State {
  enum class Phase : std::uint8_t {
    open,
    stalled,  // the next segment cannot be reserved: `failure` says why; ends when it can
    failed,   // for good: `failure` says why
    closed,   // for good
  };

  State(io::Directory& directory, std::uint32_t session, CoreIndex core, JournalOptions options,
        Offload offload);
  ~State();

  // Segments.
  SegmentId next_id() const { return {session, lane, segment_count}; }
  Status start();
  Status reserve_first();
  Status reserve_spare();
  Status adopt_spare();
  Status finish_spare_job();
  void start_spare_job(std::shared_ptr<SegmentJob> job);
  void on_spare_job_done(const std::shared_ptr<SegmentJob>& job);
  void drop_spare(const Error& why);
  void stall(const Error& why);
  void revive();
  Status roll();
  bool zeroes_pay() const;
  void write_zeroes();
  std::shared_ptr<SegmentJob> next_zeroes();
  void end_zeroes();
  void check_zeroes(const SegmentJob& job);
  bool alive() const { return phase == Phase::open || phase == Phase::stalled; }
  void fail(const Error& why);

  // Writing and syncing.
  Status write();
  Status write_out();
  void note_written();
  void note_unsynced(const SegmentFile& segment);
  std::shared_ptr<SyncJob> make_sync();
  void finish_sync(const std::shared_ptr<SyncJob>& job);
  void note_synced(std::uint64_t entries, LanePlace place);
  void sync_inline();
  void sync_offloaded();
  void sync_for_waiters();
  void write_note();
  void release_due();
  void release(std::deque<Waiter>& queue, std::uint64_t entries);
  void release_failed();
  bool work_left() const;
  std::deque<Waiter>& queue_of(Durability level);

  // Giving up files that failed.
  Status rewrite(const Error& why);
  std::map<SegmentId, SegmentFile> take_unsafe_segments();
  Status rewrite_segment(const SegmentFile& segment);
  Result<SegmentFile> reserve_again(const SegmentHeader& header);
  Status end_sync_job();
  void take_back(const SyncJob& job);

  io::Directory& directory;
  const std::uint32_t session;
  const std::uint8_t lane;
  const JournalOptions options;
  Offload offload;
  SegmentFiles files;
  Tail tail;

  Phase phase = Phase::open;
  std::optional<Error> failure;
  // Dies with this; jobs that come back later find nobody.
  std::shared_ptr<bool> life = std::make_shared<bool>(true);

  std::optional<SegmentFile> active;
  std::vector<SegmentFile> unwritten_files;  // left behind by rolls, with bytes still to write
  std::uint32_t segment_count = 0;           // adopted in this session
  std::optional<SegmentFile> spare;
  std::shared_ptr<SegmentJob> spare_job;  // its header; in flight, or null
  std::shared_ptr<SegmentJob> zeroes;     // in flight, or null

  std::uint64_t entries = 0;  // appended
  std::uint64_t written_entries = 0;
  std::uint64_t synced_entries = 0;
  LanePlace written_place;
  LanePlace synced_place;
  std::uint64_t unsynced_size = 0;
  std::vector<SegmentFile> unsynced_segments;  // written to since the last sync
  bool directory_changed = false;
  // Bytes written and syncs lately.
  std::uint64_t recent_written = 0;
  std::uint64_t recent_syncs = 0;
  bool interval_wanted = false;  // something since the last sync is to survive a power failure
  int ticks_since_sync = 0;
  std::shared_ptr<SyncJob> sync_job;  // in flight, or null

  std::deque<Waiter> memory_waiters;
  std::deque<Waiter> os_waiters;
  std::deque<Waiter> interval_waiters;
  std::deque<Waiter> fsync_waiters;
  bool flushing = false;
};

}  // namespace trv::storage
