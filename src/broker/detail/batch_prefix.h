// What stands before the stored batch in a journal entry of kind `batch` (docs/formats/entries.md):
// 64 bytes, little-endian, so that a batch's own bytes begin at a fixed place in the entry.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::broker::detail {

struct BatchPrefix {
  static constexpr std::size_t size = 64;

  TopicId topic;
  PartitionIndex partition;
  std::int32_t coordinator_epoch = 0;  // control batches only
  Sequence first_sequence;
  RecordId first_id;
  RecordId last_id;
  std::int64_t appended_at_ms = 0;

  void encode(char* out) const {
    store_le(out, topic.value);
    store_le(out + 8, partition.value);
    store_le(out + 12, coordinator_epoch);
    store_le(out + 16, first_sequence.value);
    store_le(out + 24, first_id.ms);
    store_le(out + 32, first_id.seq);
    store_le(out + 40, last_id.ms);
    store_le(out + 48, last_id.seq);
    store_le(out + 56, appended_at_ms);
  }
  // Requires: `bytes` holds at least `size` bytes.
  static BatchPrefix decode(ByteView bytes) {
    const char* p = bytes.data();
    BatchPrefix prefix;
    prefix.topic = TopicId(load_le<std::uint64_t>(p));
    prefix.partition = PartitionIndex(load_le<std::int32_t>(p + 8));
    prefix.coordinator_epoch = load_le<std::int32_t>(p + 12);
    prefix.first_sequence = Sequence(load_le<std::int64_t>(p + 16));
    prefix.first_id = {load_le<std::uint64_t>(p + 24), load_le<std::uint64_t>(p + 32)};
    prefix.last_id = {load_le<std::uint64_t>(p + 40), load_le<std::uint64_t>(p + 48)};
    prefix.appended_at_ms = load_le<std::int64_t>(p + 56);
    return prefix;
  }
};

}  // namespace trv::broker::detail
