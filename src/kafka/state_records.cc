#include "kafka/state_records.h"

#include <cstdlib>
#include <limits>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/utf8.h"
#include "kafka/internal_topics.h"

namespace trv::kafka {
namespace {

constexpr std::int16_t offset_key_version = 1;
constexpr std::int16_t offset_value_version = 3;
constexpr std::int16_t transaction_key_version = 0;
constexpr std::int16_t transaction_value_version = 0;

void write_text(ByteWriter& out, std::string_view text) {
  out.i16(static_cast<std::int16_t>(text.size()));
  out.bytes(text);
}

using PartitionsByTopic = std::map<std::string_view, std::vector<std::int32_t>>;

// A group takes part by the partition that its offsets are in.
PartitionsByTopic partitions_of(const model::Transaction& transaction) {
  PartitionsByTopic topics;
  for (const auto& [topic, partition] : transaction.partitions) {
    topics[topic].push_back(partition.value);
  }
  for (const std::string& group : transaction.groups) {
    topics[offsets_topic].push_back(state_partition(java_hash(group), internal_partition_count));
  }
  return topics;
}

void write_partitions(ByteWriter& out, const PartitionsByTopic& topics) {
  out.i32(static_cast<std::int32_t>(topics.size()));
  for (const auto& [topic, partitions] : topics) {
    write_text(out, topic);
    out.i32(static_cast<std::int32_t>(partitions.size()));
    for (std::int32_t partition : partitions) out.i32(partition);
  }
}

// Of a sequence that is valid.
std::uint32_t code_point(ByteView sequence) {
  const auto lead = static_cast<std::uint8_t>(sequence[0]);
  if (sequence.size() == 1) return lead;
  std::uint32_t point = lead & (0x7fu >> sequence.size());
  for (char next : sequence.substr(1)) {
    point = point << 6 | (static_cast<std::uint8_t>(next) & 0x3fu);
  }
  return point;
}

}  // namespace

StateRecord offset_record(const model::GroupOffsetKey& key,
                          const model::CommittedOffset* committed) {
  StateRecord record;
  record.hash = java_hash(key.group);
  ByteWriter out(record.key);
  out.i16(offset_key_version);
  write_text(out, key.group);
  write_text(out, key.partition.topic);
  out.i32(key.partition.partition.value);
  if (committed == nullptr) return record;
  ByteWriter value(record.value.emplace());
  value.i16(offset_value_version);
  value.i64(committed->offset.value);
  value.i32(committed->leader_epoch);
  write_text(value, committed->metadata);
  value.i64(committed->committed_at.ms);
  return record;
}

StateRecord transaction_record(const std::string& transactional_id,
                               const model::Transaction* transaction) {
  StateRecord record;
  record.hash = java_hash(transactional_id);
  ByteWriter out(record.key);
  out.i16(transaction_key_version);
  write_text(out, transactional_id);
  if (transaction == nullptr) return record;
  ByteWriter value(record.value.emplace());
  value.i16(transaction_value_version);
  value.i64(transaction->producer.id.value);
  value.i16(transaction->producer.epoch);
  value.i32(static_cast<std::int32_t>(transaction->timeout.count()));
  value.u8(static_cast<std::uint8_t>(transaction->state));
  const PartitionsByTopic topics = partitions_of(*transaction);
  constexpr std::int32_t none = -1;
  if (transaction->state == model::Transaction::State::empty) {
    value.i32(none);
  } else {
    write_partitions(value, topics);
  }
  value.i64(transaction->updated.ms);
  // One that has not begun has no such time.
  value.i64(transaction->state == model::Transaction::State::empty ? -1 : transaction->started.ms);
  return record;
}

std::int32_t java_hash(std::string_view text) {
  std::uint32_t hash = 0;
  auto add = [&hash](std::uint32_t unit) { hash = hash * 31 + unit; };
  const std::string valid = to_valid_utf8(text);
  for (ByteView left = valid; !left.empty();) {
    const ByteView sequence = left.substr(0, utf8_sequence_size(left));
    left.remove_prefix(sequence.size());
    const std::uint32_t point = code_point(sequence);
    if (point < 0x10000) {
      add(point);
    } else {
      add(0xd7c0 + (point >> 10));
      add(0xdc00 + (point & 0x3ff));
    }
  }
  return static_cast<std::int32_t>(hash);
}

std::int32_t state_partition(std::int32_t hash, std::int32_t count) {
  if (hash == std::numeric_limits<std::int32_t>::min()) return 0;
  return std::abs(hash) % count;
}

}  // namespace trv::kafka
