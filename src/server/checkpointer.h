// Checkpointer: writes a checkpoint whenever replaying what came since the last one would take
// noticeable time, and then gives back the segments that hold nothing any more. So a start reads
// little and the disk holds little that is dead. What the start itself had to replay counts: lives
// that end soon after they began add up to one. What is dead is given back within ten seconds in
// any case, and at once while the disk is full: that may be all that work waits for.
//
// Owner: Node, one for all cores. It lives on the first core and visits the others by messages;
// each of them takes its shards' sections one shard at a time, so that nobody waits for long. At
// most one checkpoint is under way. A failed one is logged and tried again later: recovery then
// reads more of the journal.
//
// It also knows which segments are kept only by a few live batches in them: after each checkpoint
// it has the oldest of those emptied by the cores' compactors, and the checkpoint after that frees
// them. So what is on disk is at most about twice what is live, and what two checkpoints cover.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "runtime/core.h"
#include "storage/store.h"

namespace trv::server {

class Checkpointer {
 public:
  // All outlive the Checkpointer. Requires: the brokers have recovered; `replayed` says how much.
  Checkpointer(storage::Store& store, std::vector<broker::Broker*> brokers,
               broker::Broker::Volume replayed);

  // On the first core.
  void start();
  // On the first core; what is under way is given up.
  void stop();

  // For a clean end, after stop(): the last checkpoint, so that the next start has nothing to
  // replay. Each core takes its shards' sections just before it closes its journal, and then, when
  // all have closed well, write_last() writes them and frees the segments in which nothing lives:
  // whoever lives shortly each time must not fill the disk either.
  class Last {
   public:
    // On the broker's core.
    void take(broker::Broker& broker);
    bool whole() const { return plan_.id != 0 && sections_.size() == shard_count; }

   private:
    friend class Checkpointer;
    storage::CheckpointPlan plan_;  // id 0: not worth it
    std::vector<storage::CheckpointSection> sections_;
    broker::Broker::SegmentBytes live_;
  };
  // `journaled`: of each core, now that nobody writes any more.
  Last begin_last(std::vector<broker::Broker::Volume> journaled);
  Status write_last(Last last);

 private:
  // Shared by the messages of one checkpoint, which may outlive stop().
  struct Run;

  bool due() const;
  bool due_for_space() const;
  void tell_of_space();
  void tell_of_low_space();
  std::chrono::microseconds replay_time() const;
  bool changed() const;
  void ask_volumes();
  void watch(std::chrono::milliseconds delay);
  void begin();
  static void take_shards(const std::shared_ptr<Run>& run, broker::Broker& broker, int shard);
  static void finish_core(const std::shared_ptr<Run>& run, broker::Broker& broker);
  void on_core_done(const std::shared_ptr<Run>& run);
  // It will be tried again. Said once for many in a row: on a full disk they come every second.
  void on_failed(std::uint64_t id, std::string_view why);
  void write(const std::shared_ptr<Run>& run);
  void on_written(const std::shared_ptr<Run>& run);
  void empty_segments(const std::shared_ptr<Run>& run);

  storage::Store& store_;
  std::vector<broker::Broker*> brokers_;
  // What replay would begin with; and of each core, what was journaled, as it told last, and how
  // much of that when the last checkpoint began.
  broker::Broker::Volume replayed_;
  std::vector<broker::Broker::Volume> told_;
  std::vector<broker::Broker::Volume> covered_;
  std::uint64_t state_size_ = 0;  // of the last checkpoint
  bool space_wanted_ = false;     // segments were emptied, and wait to be freed
  // The last one covered changes: what they have freed goes only behind one more. Or it failed.
  bool follow_up_ = false;
  bool told_full_ = false;   // the operator knows that writes are refused,
  bool told_low_ = false;    // and before, that it may come to that
  bool complained_ = false;  // of failures since the last one that was written
  runtime::SteadyTime last_begun_{};
  std::shared_ptr<Run> run_;  // under way, or null
  runtime::Timer timer_;
};

}  // namespace trv::server
