// The journal's state: journal.cc writes and syncs, journal_segments.cc keeps the chain of
// segments.
#pragma once

#include <deque>
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
  std::vector<std::shared_ptr<io::File>> files;
  io::Directory* directory = nullptr;  // when its names have changed
  // What is durable when it succeeds.
  std::uint64_t entries = 0;
  LanePlace place;
  Status result;

  void run() {
    if (!claim.try_take()) return;
    for (const auto& file : files) {
      if (result.ok()) result = file->sync();
    }
    if (result.ok() && directory != nullptr) result = directory->sync();
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
  std::shared_ptr<SyncJob> make_sync();
  void finish_sync(const std::shared_ptr<SyncJob>& job);
  void sync_inline();
  void sync_offloaded();
  void sync_for_waiters();
  void write_note();
  void release_due();
  void release(std::deque<Waiter>& queue, std::uint64_t entries);
  void release_failed();
  bool work_left() const;
  std::deque<Waiter>& queue_of(Durability level);

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
  std::vector<std::shared_ptr<io::File>> unsynced_files;
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
