// Chooses a partition by a record's key as Kafka's default partitioner does, so that records keyed
// alike land together whichever protocol they came by.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::model {

// Murmur2 with Kafka's seed, as in org.apache.kafka.common.utils.Utils.
std::uint32_t murmur2(ByteView bytes);

// Requires: partition_count > 0.
inline PartitionIndex partition_for(ByteView key, std::int32_t partition_count) {
  return PartitionIndex(static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % partition_count);
}

}  // namespace trv::model
