// Records of Kafka's coordinators: committed offsets, transactions and places of share groups as
// they stand in the topics __consumer_offsets, __transaction_state and __share_group_state. Source:
// Kafka's OffsetCommitKey (version 1), OffsetCommitValue (3), TransactionLogKey (0),
// TransactionLogValue (0), ShareSnapshotKey (0) and ShareSnapshotValue (0), each after its version
// as i16; what tools decode that know these topics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/group_offsets.h"
#include "model/share_changes.h"
#include "model/transaction.h"

namespace trv::kafka {

// As many as Kafka makes of each such topic, when nothing else is said.
inline constexpr std::int32_t internal_partition_count = 50;

struct StateRecord {
  std::int32_t hash = 0;  // decides the partition
  std::string key;
  std::optional<std::string> value;  // a tombstone without
};

// `committed`, `transaction` and `cursor` are null for what is gone.
StateRecord offset_record(const model::GroupOffsetKey& key,
                          const model::CommittedOffset* committed);
StateRecord transaction_record(const std::string& transactional_id,
                               const model::Transaction* transaction);
StateRecord share_record(const model::ShareCursorKey& key, const model::ShareCursor* cursor,
                         WallTime now);

// As of Java's strings, over the text's UTF-16.
std::int32_t java_hash(std::string_view text);
// Of `count` > 0 partitions, the one in which Kafka's coordinators look for what has this hash.
std::int32_t state_partition(std::int32_t hash, std::int32_t count);

}  // namespace trv::kafka
