// Topics: the topics of one core's shards: creating, appending, reading, waiting.
//
// Owner: the core's Broker. A Topic* is valid within the closure that found it.
//
// Appends of one round are gathered: neighbouring records of one origin become one stored batch.
// An appended record has its offset, sequence and id at once, and is visible to readers when it is
// durable at its level, in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "model/topic.h"

namespace trv::model {
struct Policy;
}  // namespace trv::model

namespace trv::broker {

struct Topic;  // broker/topic_state.h; opaque to front-ends but for the calls below

struct Appended {
  PartitionIndex partition;
  Offset base_offset;
  Sequence first_sequence;
  RecordId first_id;
  WallTime append_time;
  Offset log_start;
  bool duplicate = false;  // an idempotent producer's batch that was there already
  Commit commit;
};

enum class Isolation : std::uint8_t { uncommitted, committed };

// A stored batch as fetched by offset. Its base offset is in place. Batches of origin message and
// fields are stored batches too (checksummed, one record an entry) but must be converted.
struct FetchedBatch {
  Slice bytes;
  model::BatchHeader header;
  Sequence first_sequence;
  RecordId first_id;
};

struct AbortedTransaction {
  ProducerId producer_id;
  Offset first_offset;
};

struct Fetched {
  std::vector<FetchedBatch> batches;
  Offset high_watermark;
  Offset last_stable_offset;
  Offset log_start;
  std::vector<AbortedTransaction> aborted;  // overlapping what was fetched; for committed only
  // Of a reader that does not wait for the disk: it ends before this batch, which has to come from
  // there and is on its way: ColdReads::wait() tells when it is worth while to ask again.
  std::optional<BlobRange> cold;
};

struct FetchLimits {
  std::size_t bytes_max = 1u << 20;
  bool at_least_one = true;  // a first batch larger than bytes_max is given whole
  bool waits = true;         // for the disk; else see Fetched::cold
};

struct TopicFacts {
  TopicId id;
  std::string name;
  model::TopicSettings settings;
};

using WatchId = std::uint64_t;

class Topics {
 public:
  struct State;  // broker/detail/topics_state.h

  explicit Topics(Broker& broker);
  ~Topics();

  // --- names -----------------------------------------------------------------------------------
  // Errors: already_exists (here, or wrong_type when the name is a key of the keyspace),
  // invalid_argument, no_space.
  struct Created {
    Topic* topic;
    Commit commit;
  };
  Result<Created> create(const std::string& name, const model::TopicSettings& settings);
  // Null when there is none, or when it has expired: then it is removed soon.
  Topic* find(std::string_view name);
  // Also ends its queues, groups and watchers. Errors: not_found.
  Result<Commit> remove(std::string_view name);
  Result<Commit> change_settings(Topic& topic, const model::TopicSettings& settings);
  // Errors: invalid_argument when not more than there are.
  Result<Commit> add_partitions(Topic& topic, std::int32_t partition_count);
  // All topics of this core's shards; use Broker::gather for those of the whole broker.
  std::vector<TopicFacts> list() const;
  // The state to decide with: settings, positions, counters. Ends the batch that this round's
  // appends are gathered in, so do not call it once an append; see live_count() and last_id().
  const model::Topic& state(Topic& topic);
  // Policies for streams bear on the topics of which the settings are picked.
  using PickTopic = std::function<bool(const model::TopicSettings&)>;
  void let_policies_bear_on(PickTopic picked);
  // Those that do; null without. Valid until policies change.
  struct Governing {
    const model::Policy* policy = nullptr;
    const model::Policy* operator_policy = nullptr;
  };
  Governing governing(const Topic& topic) const;
  // These two count this round's appends too, and cost nothing.
  std::uint64_t live_count(const Topic& topic) const;
  RecordId last_id(const Topic& topic) const;
  static const model::TopicSettings& settings(const Topic& topic);

  // --- appending -------------------------------------------------------------------------------
  // One record in its origin's form. Errors: too_large, out_of_range (chosen id not above the last,
  // or ids exhausted), no_space.
  Result<Appended> append(Topic& topic, const model::NewRecord& record);
  // One record batch as its producer sent it; stored byte for byte but for base offset and epoch.
  // Checks structure, checksum, size, idempotence and transaction membership.
  // Errors: corrupt (checksum, truncated), invalid_argument (violates the format), too_large,
  // sequence_gap, fenced (older producer epoch), invalid_state (not in a transaction), out_of_range
  // (timestamp), no_space.
  Result<Appended> append_batch(Topic& topic, PartitionIndex partition, ByteView batch);
  // The transaction coordinator added the partition to the producer's present transaction: without
  // that, its transactional batches are refused.
  void expect_transaction(Topic& topic, PartitionIndex partition, ProducerId producer_id,
                          std::int16_t producer_epoch);
  // Ends a producer's transaction in one partition with a control batch.
  Result<Appended> append_marker(Topic& topic, PartitionIndex partition, ProducerId producer_id,
                                 std::int16_t producer_epoch, bool commit,
                                 std::int32_t coordinator_epoch);

  // --- deleting --------------------------------------------------------------------------------
  // Errors: no_space, io_error: then nothing is changed. `count`: how many live records went.
  struct Removed {
    std::uint64_t count = 0;
    Commit commit;
  };
  Result<Removed> trim_to(Topic& topic, Sequence sequence);
  // Everything of one partition before `offset`. Also out_of_range: beyond what is visible.
  Result<Removed> trim_partition(Topic& topic, PartitionIndex partition, Offset offset);
  Result<Removed> erase(Topic& topic, std::span<const RecordId> ids);
  Result<Commit> set_id(Topic& topic, RecordId last_id, std::optional<std::uint64_t> added_count,
                        std::optional<RecordId> max_erased_id);

  // --- reading by sequence and id (committed, visible, not erased records only) ------------------
  // Records before it are visible. Never goes back.
  Sequence visible_end(const Topic& topic) const;
  // Visits from `from` in order until `visit` returns false or nothing is left. Result: the
  // sequence after the last visited record (or after what was passed over).
  using Visit = std::function<bool(const model::StoredRecord&)>;
  Result<Sequence> read(Topic& topic, Sequence from, const Visit& visit);
  // The same for who does not wait for the disk: when a batch has to come from there, it ends
  // before it and tells in `cold` what to wait for; see Fetched::cold.
  Result<Sequence> read_warm(Topic& topic, Sequence from, const Visit& visit,
                             std::optional<BlobRange>& cold);
  // The same backwards: visits records before `before`, newest first.
  Status read_back(Topic& topic, Sequence before, const Visit& visit);
  // Nothing when hidden, erased, trimmed or not visible yet.
  Result<std::optional<model::StoredRecord>> read_one(Topic& topic, Sequence sequence);
  // The first sequence whose record's id is not below `id`; end when there is none. Counts erased
  // and hidden records too.
  Result<Sequence> sequence_of(Topic& topic, RecordId id);
  // The id of the last record that readers by id may see, erased ones included; for `$`.
  RecordId last_visible_id(const Topic& topic) const;
  // The same for a record still in the log, whatever its state.
  std::optional<RecordId> first_live_id(Topic& topic);

  // --- reading by offset -----------------------------------------------------------------------
  Offset high_watermark(const Topic& topic, PartitionIndex partition) const;
  Offset last_stable_offset(Topic& topic, PartitionIndex partition) const;
  // Errors: out_of_range (below the log's start or above its end), corrupt, io_error.
  Result<Fetched> fetch(Topic& topic, PartitionIndex partition, Offset from, FetchLimits limits,
                        Isolation isolation);
  struct OffsetAndTime {
    Offset offset;
    std::int64_t timestamp_ms;
  };
  // The first record whose timestamp is at or after the given one; nothing when there is none.
  Result<std::optional<OffsetAndTime>> offset_since(Topic& topic, PartitionIndex partition,
                                                    std::int64_t timestamp_ms);
  std::optional<OffsetAndTime> max_timestamp(const Topic& topic, PartitionIndex partition) const;

  // --- waiting ---------------------------------------------------------------------------------
  // Runs `woken` once, in a later handler of this core, when something new became visible under
  // the name, or the topic was created or removed, or notify() was called. The name need not exist.
  // Watchers of a name run in the order in which they came.
  WatchId watch(const std::string& name, UniqueFunction<void()> woken);
  void unwatch(const std::string& name, WatchId id);
  void notify(const std::string& name);
  std::size_t watcher_count() const;

  // --- for the broker ---------------------------------------------------------------------------
  void start();
  void end_round();
  void tick();

 private:
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
