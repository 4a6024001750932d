#include "broker/detail/cleaning_run.h"

#include <algorithm>

#include "base/log.h"
#include "broker/detail/record_cursor.h"
#include "broker/entry.h"
#include "broker/queues.h"
#include "broker/shard_state.h"

namespace trv::broker::detail {
namespace {

// Of one pass, at most; a larger dirty part is cleaned in several. About 50 bytes each.
constexpr std::size_t keys_max = 1'000'000;

// Of a record that has one. Records of other protocols have the key that Kafka readers see.
struct RecordKey {
  std::optional<model::Message> message;  // what `key` may point into
  std::optional<ByteView> key;
  bool tombstone = false;
};

RecordKey key_of(const Broker& broker, const model::StoredRecord& record) {
  RecordKey out;
  if (record.origin == model::Origin::batch) {
    out.key = record.key;
    out.tombstone = !record.value;
    return out;
  }
  out.message = broker.message_of(record);
  out.key = out.message->key;
  return out;
}

}  // namespace

std::optional<model::CleanRange> cleaning_due(Broker& broker, Topic& topic,
                                              PartitionIndex partition) {
  if (!topic.state.settings().cleaning.on) return std::nullopt;
  return model::plan_cleaning(topic.state, partition,
                              broker.topics().last_stable_offset(topic, partition),
                              broker.wall_now());
}

CleaningRun::CleaningRun(Broker& broker, TopicRef topic, PartitionIndex partition,
                         std::uint64_t seed, CompactionCounters& counters)
    : broker_(broker),
      ref_(topic),
      partition_(partition),
      counters_(counters),
      keys_(seed, keys_max) {}

Step CleaningRun::step(std::uint64_t& cost) {
  Topic* topic = broker_.shard(ref_.shard).find_topic(ref_.id);
  if (!topic || !topic->state.settings().cleaning.on) return Step::done;
  switch (phase_) {
    case Phase::begin:
      return begin(*topic);
    case Phase::map:
      return map_one(*topic, cost);
    case Phase::sweep:
      return sweep_one(*topic, cost);
  }
  TRV_ASSERT(false);
}

Step CleaningRun::begin(Topic& topic) {
  std::optional<model::CleanRange> range = cleaning_due(broker_, topic, partition_);
  if (!range) return Step::done;
  range_ = *range;
  at_ = range_.dirty;
  phase_ = Phase::map;
  return Step::more;
}

Step CleaningRun::map_one(Topic& topic, std::uint64_t& cost) {
  model::FoundBatch entry = topic.state.batch_at(partition_, at_);
  if (!entry || entry->base_offset >= range_.end || keys_.full()) {
    range_.end = std::min(range_.end, entry ? entry->base_offset : range_.end);
    at_ = topic.state.log_start(partition_);
    phase_ = Phase::sweep;
    return Step::more;
  }
  at_ = entry->end_offset();
  if (entry->hidden()) return Step::more;
  Result<LoadedBatch> batch = load_batch(broker_, *entry);
  if (!batch) return Step::more;  // the sweep tells
  cost += batch->bytes.size();
  Result<RecordCursor> cursor = RecordCursor::open(*entry, batch->header, batch->bytes);
  if (!cursor) return Step::more;
  model::StoredRecord record;
  while (cursor->next(record)) {
    if (!is_live(topic, *entry, record.sequence)) continue;
    RecordKey key = key_of(broker_, record);
    if (key.key) keys_.add(*key.key, record.offset);
  }
  return Step::more;
}

Step CleaningRun::sweep_one(Topic& topic, std::uint64_t& cost) {
  model::FoundBatch entry = topic.state.batch_at(partition_, at_);
  if (!entry || entry->base_offset >= range_.end) return finish(topic);
  Offset next = entry->end_offset();
  if (!clean(topic, *entry, cost)) return Step::later;
  at_ = next;
  return Step::more;
}

Status CleaningRun::clean(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost) {
  const Sequence first = entry.first_sequence;
  const model::Cleaning cleaning = topic.state.settings().cleaning;
  const WallTime now = broker_.wall_now();
  if (entry.aborted) {
    dead_.push_back(first);
    return {};
  }
  Result<LoadedBatch> batch = load_batch(broker_, entry);
  Result<RecordCursor> cursor =
      batch ? RecordCursor::open(entry, batch->header, batch->bytes) : batch.error();
  if (!cursor) {
    log::warn("topic {}: the batch at sequence {} cannot be cleaned: {}", topic.state.name(),
              first.value, cursor.error().message);
    return {};
  }
  cost += batch->bytes.size();
  if (entry.control) {
    auto commits = model::marker_commits(batch->bytes.view().substr(model::batch_header_size));
    if (model::fate_of(entry, commits && *commits, cleaning, now) == model::BatchFate::drop) {
      dead_.push_back(first);
    }
    return {};
  }
  const bool had_horizon = batch->header.has_delete_horizon();
  const bool due = had_horizon && batch->header.base_timestamp <= now.ms;
  std::vector<bool> keep(static_cast<std::size_t>(entry.count), false);
  bool tombstones = false;
  model::StoredRecord record;
  while (cursor->next(record)) {
    if (!is_live(topic, entry, record.sequence)) continue;
    RecordKey key = key_of(broker_, record);
    // A keyless record of another protocol is none that Kafka would have refused.
    bool keeps = !key.key && key.message
                     ? true
                     : model::stays(keys_, key.key, key.tombstone, record.offset, due);
    keep[static_cast<std::size_t>(record.sequence - first)] = keeps;
    tombstones = tombstones || (keeps && key.tombstone);
  }
  if (!cursor->ok()) {
    log::warn("topic {}: the batch at sequence {} is damaged and stays", topic.state.name(),
              first.value);
    return {};
  }
  std::optional<std::int64_t> until;
  if (tombstones && !had_horizon) {
    until =
        now.ms + std::min(cleaning.tombstone_ms, std::numeric_limits<std::int64_t>::max() - now.ms);
  }
  if (tombstones) {
    std::int64_t one = until.value_or(batch->header.base_timestamp);
    tombstone_due_ms_ = tombstone_due_ms_ < 0 ? one : std::min(tombstone_due_ms_, one);
  }
  return store(topic, first, *batch, keep, until, cost);
}

Status CleaningRun::store(Topic& topic, Sequence first, const LoadedBatch& batch,
                          const std::vector<bool>& keep, std::optional<std::int64_t> until,
                          std::uint64_t& cost) {
  auto chosen = [&keep](const model::BatchRecord& record) {
    return keep[static_cast<std::size_t>(record.offset_delta)];
  };
  Result<model::Rewritten> rewritten =
      model::rewrite_batch(batch.bytes, batch.header, chosen, until);
  if (!rewritten) {
    log::warn("topic {}: the batch at sequence {} stays as it is: {}", topic.state.name(),
              first.value, rewritten.error().message);
    return {};
  }
  if (rewritten->kept == 0) {
    dead_.push_back(first);
    return {};
  }
  if (rewritten->bytes.empty()) return {};
  cost += rewritten->bytes.size();
  return move_batch(broker_, topic, first, rewritten->bytes, counters_);
}

Step CleaningRun::finish(Topic& topic) {
  if (!drop_batches(broker_, topic, dead_, counters_)) return Step::later;
  dead_.clear();
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(topic.state.id().value);
    writer.varint(static_cast<std::uint64_t>(partition_.value));
    writer.varint_signed(range_.end.value);
    writer.varint_signed(tombstone_due_ms_);
    auto kept = broker_.journal(Space::less, entry::partition_cleaned, topic.shard, payload);
    if (!kept) return Step::later;
  }
  topic.state.apply_cleaned(partition_, {range_.end, tombstone_due_ms_});
  broker_.queues().on_erased(topic);
  ++counters_.cleaned_partitions;
  return Step::done;
}

}  // namespace trv::broker::detail
