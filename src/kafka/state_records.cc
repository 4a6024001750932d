#include "kafka/state_records.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <vector>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

constexpr std::int16_t offset_key_version = 1;
constexpr std::int16_t offset_value_version = 3;
constexpr std::int16_t transaction_key_version = 0;
constexpr std::int16_t transaction_value_version = 0;
constexpr std::int16_t share_key_version = 0;
constexpr std::int16_t share_value_version = 0;
// States of records in a share group.
constexpr std::int8_t share_available = 0;
constexpr std::int8_t share_acknowledged = 2;

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

std::string uuid_bytes(const wire::Uuid& uuid) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u64(uuid.high);
  out.u64(uuid.low);
  return bytes;
}

// As Kafka prints it: base64 for names of files, without padding.
std::string uuid_text(const wire::Uuid& uuid) {
  std::string text = base64_encode(uuid_bytes(uuid));
  text.resize(text.find('='));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// A field that a reader may not know: how many of [start, ...) are settled.
void write_settled_count(ByteWriter& out, const model::ShareOutcomes& history) {
  std::int64_t count = 0;
  for (const model::ShareOutcome& one : history) {
    if (one.deliveries == 0) count += one.end - one.first;
  }
  out.varint(1);  // fields
  out.varint(0);  // its number
  out.varint(sizeof(std::int32_t));
  out.i32(static_cast<std::int32_t>(count));
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

StateRecord share_record(const model::ShareCursorKey& key, const model::ShareCursor* cursor,
                         WallTime now) {
  const wire::Uuid topic = topic_uuid(key.topic);
  StateRecord record;
  record.hash =
      java_hash(key.group + ":" + uuid_text(topic) + ":" + std::to_string(key.partition.value));
  ByteWriter out(record.key);
  out.i16(share_key_version);
  write_text(out, key.group);
  out.bytes(uuid_bytes(topic));
  out.i32(key.partition.value);
  if (cursor == nullptr) return record;
  const model::ShareOutcomes history = cursor->history();
  ByteWriter value(record.value.emplace());
  value.i16(share_value_version);
  for (int epoch = 0; epoch < 3; ++epoch) value.i32(0);  // of snapshot, state and leader
  value.i64(cursor->start().value);
  value.i64(-1);  // when it began is not known
  value.i64(now.ms);
  value.varint(history.size() + 1);
  for (const model::ShareOutcome& one : history) {
    value.i64(one.first.value);
    value.i64(one.end.value - 1);
    value.i8(one.deliveries == 0 ? share_acknowledged : share_available);
    value.i16(static_cast<std::int16_t>(std::max(one.deliveries, 1u)));
    value.varint(0);  // fields that a reader may not know
  }
  write_settled_count(value, history);
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
