// ShareCursors: reading of this core's topics by groups whose members share partitions and
// acknowledge record by record (model/share_cursor.h): what is given out, comes back in time, and
// is settled. Who is in such a group is ShareGroups' business, and may be on another core.
//
// Owner: Groups. Everything is synchronous; the closures of a topic's owner call it.
//
// Invariants:
//   - what a member holds has a deadline, at which it comes back, and whoever waits for the topic
//   is
//     woken;
//   - acknowledgements may be spoken of once their Commit is durable, at the topic's level.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/topics.h"
#include "model/share_changes.h"
#include "model/share_cursor.h"

namespace trv::broker {

// Where a group begins with a partition that it has not read yet.
struct ShareStart {
  enum class From : std::uint8_t { end, beginning, time };
  From from = From::end;
  std::int64_t ago_ms = 0;  // for `time`
};

template <class State>
class Feeds;

class ShareCursors {
 public:
  explicit ShareCursors(Broker& broker);
  ~ShareCursors();
  void stop();

  struct Wanted {
    std::string group;
    std::string member;
    PartitionIndex partition;
    std::size_t records_max = 0;
    bool exact = false;         // else records_max may be exceeded up to the end of a batch
    std::size_t bytes_max = 0;  // a first batch is given whole
    std::size_t range_max = 1;  // of what Acquired::ranges tells
    // Committed: up to the first open transaction, and nothing of those that were aborted.
    Isolation isolation = Isolation::uncommitted;
    ShareStart start;
    std::chrono::milliseconds lock{30'000};
  };
  struct Acquired {
    std::vector<FetchedBatch> batches;  // that hold what was acquired, and perhaps more
    std::vector<model::ShareCursor::Acquired> ranges;
    std::size_t record_count = 0;
    std::size_t size = 0;  // bytes of the batches
    Commit shown;          // of the group's beginning with the partition
  };
  // Errors: no_space, io_error, corrupt. Requires: the partition exists.
  Result<Acquired> acquire(Topic& topic, const Wanted& wanted);

  // What is renewed is locked for `lock` from now on. Locks are not durable, so nothing waits for
  // that.
  // Errors: invalid_state (one of them is not held by the member: then nothing is changed),
  // invalid_argument (nor by anybody, ever), not_found (the group has not begun with the
  // partition), no_space, io_error. Requires: `acks` are ascending.
  Result<Commit> acknowledge(Topic& topic, const std::string& group, const std::string& member,
                             PartitionIndex partition,
                             std::span<const model::ShareCursor::Ack> acks,
                             std::chrono::milliseconds lock);
  // What the member holds comes back at once.
  void release(Topic& topic, const std::string& group, const std::string& member,
               PartitionIndex partition);

  // Where the group is in each partition that it has begun with: all before is settled.
  struct Position {
    PartitionIndex partition;
    Offset start;
    std::int64_t lag = 0;  // what is visible from there on and not settled
  };
  std::vector<Position> positions(const Topic& topic, std::string_view group) const;
  // Topics of this core that the group has begun with.
  std::vector<std::string> topics_of(std::string_view group) const;
  // Everything before `start` is settled, and nothing else. Errors: no_space, io_error.
  Result<Commit> set_position(Topic& topic, const std::string& group, PartitionIndex partition,
                              Offset start);
  // Errors: not_found, no_space, io_error.
  Result<Commit> forget(Topic& topic, const std::string& group);
  // The same in all topics of this core; none is no error.
  Result<Commit> forget_everywhere(const std::string& group);
  // Covers all changes to the topic's groups so far.
  Commit last_change(const Topic& topic) const;

  // Changes of all topics that are durable.
  Feeds<model::ShareChanges>& feeds();
  // Null for what is gone. Valid until the next change.
  const model::ShareCursor* find(ShardId shard, const model::ShareCursorKey& key) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
