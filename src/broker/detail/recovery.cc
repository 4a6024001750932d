#include "broker/detail/recovery.h"

#include <algorithm>

#include "auth/directory.h"
#include "base/log.h"
#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/detail/batch_prefix.h"
#include "broker/detail/moved_prefix.h"
#include "broker/detail/queues_state.h"
#include "broker/detail/share_state.h"
#include "broker/detail/topics_state.h"
#include "broker/entry.h"
#include "broker/shard_state.h"
#include "model/policies.h"
#include "model/quotas.h"

namespace trv::broker {

// Reaches into the services on behalf of replay.
struct Recovery {
  static Queues::State& queues(Broker& broker) { return *broker.queues().state_; }
};

namespace detail {
namespace {

Error damaged(const char* what) { return Error{Errc::corrupt, what}; }

Topic* topic_of(ShardState& shard, ByteReader& reader) {
  return shard.find_topic(TopicId(reader.u64_le()));
}

Status apply_topic_created(ShardState& shard, ByteReader reader) {
  TopicId id(reader.u64_le());
  std::string name(reader.sized());
  Result<model::TopicSettings> settings = model::decode_topic_settings(reader.rest());
  if (!reader.ok() || !settings) return damaged("topic entry");
  Topics::State::insert(shard, id, name, *settings);
  return {};
}

Status apply_topic_changed(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  if (!topic) return {};
  Result<model::TopicSettings> settings = model::decode_topic_settings(reader.rest());
  if (!settings) return settings.error();
  Topics::State::apply_settings(*topic, *settings);
  return {};
}

Status apply_topic_removed(Broker& broker, ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  if (!topic || TRV_MUTANT(delete_of_topic_forgotten)) return {};
  Queues::State& queues = Recovery::queues(broker);
  for (Queue* queue : topic->queues) {
    queues.drop_name(queue->name);
    std::string name = queue->name;
    shard.queues.erase(name);
  }
  Topics::State::erase(shard, *topic);
  return {};
}

Status apply_batch(ShardState& shard, ByteView payload, BlobRange where) {
  if (payload.size() < BatchPrefix::size) return damaged("batch entry");
  BatchPrefix prefix = BatchPrefix::decode(payload);
  ByteView batch = payload.substr(BatchPrefix::size);
  Result<model::BatchHeader> header = model::parse_batch_header(batch);
  if (!header) return header.error();
  Topic* topic = shard.find_topic(prefix.topic);
  if (!topic) return {};
  if (!topic->state.has_partition(prefix.partition)) return damaged("batch of no partition");
  Offset log_end = topic->state.log_end(prefix.partition);
  if (header->base_offset < log_end || header->record_count <= 0) return damaged("batch offset");
  if (header->base_offset > log_end || prefix.first_sequence > topic->state.end()) {
    log::error("topic {}: records before offset {} of partition {} are lost", topic->state.name(),
               header->base_offset.value, prefix.partition.value);
    topic->state.apply_gap(prefix.partition, header->base_offset, prefix.first_sequence);
  }
  model::StoredBatch stored;
  stored.partition = prefix.partition;
  stored.header = *header;
  stored.first_id = prefix.first_id;
  stored.last_id = prefix.last_id;
  stored.coordinator_epoch = prefix.coordinator_epoch;
  stored.appended = WallTime{prefix.appended_at_ms};
  stored.blob = {where.blob, where.position + static_cast<std::uint32_t>(BatchPrefix::size),
                 where.length - static_cast<std::uint32_t>(BatchPrefix::size)};
  if (header->control()) {
    Result<bool> commits = model::marker_commits(batch.substr(model::batch_header_size));
    if (!commits) return commits.error();
    stored.marker_commits = *commits;
  }
  topic->state.apply_batch(stored);
  return {};
}

Status apply_batch_moved(ShardState& shard, ByteView payload, BlobRange where) {
  if (payload.size() < MovedPrefix::size) return damaged("moved batch entry");
  MovedPrefix prefix = MovedPrefix::decode(payload);
  Result<model::BatchHeader> header = model::parse_batch_header(payload.substr(MovedPrefix::size));
  if (!header) return header.error();
  Topic* topic = shard.find_topic(prefix.topic);
  if (!topic) return {};
  // Not there when it was lost, which was reported.
  topic->state.apply_moved(
      prefix.first_sequence, *header,
      {where.blob, where.position + static_cast<std::uint32_t>(MovedPrefix::size),
       where.length - static_cast<std::uint32_t>(MovedPrefix::size)});
  return {};
}

Status apply_batches_dropped(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  std::vector<Sequence> firsts;
  while (reader.remaining() > 0 && reader.ok()) firsts.emplace_back(reader.varint_signed());
  if (!reader.ok() || !std::is_sorted(firsts.begin(), firsts.end())) return damaged("drop entry");
  if (topic) topic->state.apply_drop(firsts);
  return {};
}

Status apply_partition_cleaned(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  PartitionIndex partition(static_cast<std::int32_t>(reader.varint()));
  model::Topic::CleanMark mark{Offset(reader.varint_signed()), reader.varint_signed()};
  if (!reader.done()) return damaged("cleaning entry");
  if (!topic) return {};
  if (!topic->state.has_partition(partition)) return damaged("cleaning of no partition");
  topic->state.apply_cleaned(partition, mark);
  return {};
}

void settle_trimmed(Topic& topic) {
  for (Queue* queue : topic.queues) {
    queue->cursor.apply_settle_below(topic.state.start());
    if (model::ReadyIndex* index = queue->index()) index->forget_below(topic.state.start());
  }
}

Status apply_trimmed(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  Sequence sequence(reader.i64_le());
  if (!reader.done()) return damaged("trim entry");
  if (!topic) return {};
  topic->state.apply_trim(std::min(sequence, topic->state.end()));
  settle_trimmed(*topic);
  return {};
}

Status apply_partition_trimmed(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  PartitionIndex partition(static_cast<std::int32_t>(reader.u32_le()));
  Offset offset(reader.i64_le());
  if (!reader.done()) return damaged("partition trim entry");
  if (!topic) return {};
  if (!topic->state.has_partition(partition)) return damaged("trim of no partition");
  topic->state.apply_trim_partition(partition, std::min(offset, topic->state.log_end(partition)));
  settle_trimmed(*topic);
  return {};
}

Status apply_erased(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  while (reader.remaining() > 0 && reader.ok()) {
    Sequence sequence(reader.varint_signed());
    RecordId id;
    id.ms = reader.varint();
    id.seq = reader.varint();
    if (topic && reader.ok()) topic->state.apply_erase(sequence, id);
  }
  return reader.ok() ? Status() : damaged("erase entry");
}

Status apply_id_set(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  RecordId last;
  last.ms = reader.varint();
  last.seq = reader.varint();
  std::uint64_t added = reader.varint();
  bool has_erased = reader.u8() != 0;
  RecordId erased;
  erased.ms = reader.varint();
  erased.seq = reader.varint();
  if (!reader.done()) return damaged("id entry");
  if (!topic) return {};
  topic->state.apply_set_id(last,
                            added > 0 ? std::optional<std::uint64_t>(added - 1) : std::nullopt,
                            has_erased ? std::optional<RecordId>(erased) : std::nullopt);
  return {};
}

Status apply_queue_declared(Broker& broker, ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  std::string name(reader.sized());
  Sequence start(reader.i64_le());
  Result<QueueSettings> settings = decode_queue_settings(reader.rest());
  if (!reader.ok() || !settings) return damaged("queue entry");
  if (topic) Recovery::queues(broker).insert(name, *settings, *topic, start);
  return {};
}

Queue* queue_of(ShardState& shard, ByteReader& reader) {
  auto it = shard.queues.find(reader.sized());
  return it == shard.queues.end() ? nullptr : it->second.get();
}

Status apply_queue_removed(Broker& broker, ShardState& shard, ByteReader reader) {
  Queue* queue = queue_of(shard, reader);
  if (!queue) return {};
  Queues::State::leave_topic(*queue);
  Recovery::queues(broker).drop_name(queue->name);
  std::string name = queue->name;
  shard.queues.erase(name);
  return {};
}

Status apply_queue_settled(ShardState& shard, ByteReader reader) {
  Queue* queue = queue_of(shard, reader);
  std::int64_t sequence = 0;
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    sequence += static_cast<std::int64_t>(reader.varint());
    if (queue && reader.ok() && Sequence(sequence) < queue->topic->state.end()) {
      queue->cursor.apply_settle(Sequence(sequence));
    }
  }
  return reader.done() ? Status() : damaged("settlement entry");
}

Status apply_queue_delivered(ShardState& shard, ByteReader reader) {
  Queue* queue = queue_of(shard, reader);
  Sequence mark(reader.i64_le());
  if (!reader.done()) return damaged("delivery entry");
  if (!queue) return {};
  if (!TRV_MUTANT(delivered_mark_lost_in_replay)) queue->cursor.apply_delivered_mark(mark);
  queue->delivered_mark = mark;
  return {};
}

Status apply_queue_failed(ShardState& shard, ByteReader reader) {
  Queue* queue = queue_of(shard, reader);
  std::int64_t sequence = 0;
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    sequence += static_cast<std::int64_t>(reader.varint());
    auto count = static_cast<std::uint32_t>(reader.varint());
    if (queue && reader.ok() && Sequence(sequence) < queue->topic->state.end()) {
      queue->cursor.apply_failures(Sequence(sequence), count);
    }
  }
  return reader.done() ? Status() : damaged("failure entry");
}

Status apply_queue_state(ShardState& shard, ByteReader reader) {
  Queue* queue = queue_of(shard, reader);
  if (!queue || !queue->cursor.restore_state(reader.rest())) return damaged("queue state");
  return {};
}

Status apply_topic_state(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  if (!topic) return damaged("state of no topic");
  return topic->state.restore_state(reader.rest());
}

Status apply_claim_group(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  WallTime now{reader.i64_le()};
  if (!reader.ok()) return damaged("group entry");
  return topic ? topic->claim_groups.apply(reader.rest(), now) : Status();
}

Status apply_added_once(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  WallTime now{reader.i64_le()};
  if (!reader.ok()) return damaged("entry about names");
  if (!topic) return {};
  if (!topic->added_once) topic->added_once = std::make_unique<model::AddedOnce>();
  return topic->added_once->apply(reader.rest(), now);
}

Status apply_share_cursor(ShardState& shard, ByteReader reader) {
  Topic* topic = topic_of(shard, reader);
  if (!reader.ok()) return damaged("share cursor entry");
  return topic ? apply_share_command(shard, *topic, reader.rest()) : Status();
}

Status apply_share_changes(ShardState& shard, ByteReader reader) {
  reader.i64_le();  // the time, as in other entries of feeds
  if (!reader.ok()) return damaged("share changes entry");
  return apply_share_feed(shard, reader.rest());
}

Status apply_queue_placed(Broker& broker, ByteReader reader) {
  std::string queue(reader.sized());
  std::string source(reader.sized());
  if (!reader.done()) return damaged("place entry");
  broker.catalog().apply_place(queue, source);
  return {};
}

Status apply_keyspace(ShardState& shard, ByteReader reader) {
  WallTime now{reader.i64_le()};
  if (!reader.ok()) return damaged("keyspace entry");
  ByteView command = reader.rest();
  constexpr auto pop = static_cast<char>(model::KeyspaceOp::pop_front);
  if (command.starts_with(pop) && TRV_MUTANT(list_pop_lost_in_replay)) return {};
  return shard.keyspace.apply(command, now);
}

Status apply_group_offsets(ShardState& shard, ByteReader reader) {
  WallTime now{reader.i64_le()};
  if (!reader.ok()) return damaged("group offsets entry");
  return shard.group_offsets.apply(reader.rest(), now);
}

Status apply_transaction(ShardState& shard, ByteReader reader) {
  WallTime now{reader.i64_le()};
  if (!reader.ok()) return damaged("transaction entry");
  return shard.transactions.apply(reader.rest(), now);
}

Status apply_delay(ShardState& shard, ByteReader reader, BlobRange where, bool added) {
  model::DelayKey key;
  key.due_ms = reader.i64_le();
  key.number = reader.u64_le();
  if (!reader.ok() || (!added && !reader.done())) return damaged("delay entry");
  if (added) {
    shard.delays.apply_add(key, where);
  } else {
    shard.delays.apply_end(key);
  }
  return {};
}

// --- snapshots -----------------------------------------------------------------------------------

void put(std::string& out, storage::EntryKind kind, ByteView payload) {
  ByteWriter writer(out);
  writer.u8(kind);
  writer.sized(payload);
}

std::string topic_prefix(const Topic& topic) {
  std::string payload;
  ByteWriter(payload).u64_le(topic.state.id().value);
  return payload;
}

void put_topic(std::string& out, Topic& topic) {
  std::string created = topic_prefix(topic);
  ByteWriter(created).sized(topic.state.name());
  model::encode(topic.state.settings(), created);
  put(out, entry::topic_created, created);
  std::string state = topic_prefix(topic);
  topic.state.place_pages();
  topic.state.encode_state(state);
  put(out, entry::topic_state, state);
  const auto put_timed = [&](storage::EntryKind kind) {
    return [&out, &topic, kind](ByteView command) {
      std::string payload = topic_prefix(topic);
      ByteWriter writer(payload);
      writer.i64_le(0);
      writer.bytes(command);
      put(out, kind, payload);
    };
  };
  topic.claim_groups.snapshot(put_timed(entry::claim_group));
  if (topic.added_once) topic.added_once->snapshot(put_timed(entry::added_once));
  topic.share_cursors.snapshot([&](ByteView command) {
    std::string payload = topic_prefix(topic);
    ByteWriter(payload).bytes(command);
    put(out, entry::share_cursor, payload);
  });
}

void put_queue(std::string& out, const Queue& queue) {
  std::string declared = topic_prefix(*queue.topic);
  ByteWriter writer(declared);
  writer.sized(queue.name);
  writer.i64_le(queue.cursor.floor().value);
  encode(queue.declared(), declared);
  put(out, entry::queue_declared, declared);
  std::string state;
  ByteWriter(state).sized(queue.name);
  queue.cursor.encode_state(state);
  put(out, entry::queue_state, state);
  // The cursor itself learns it only in replay.
  std::string delivered;
  ByteWriter delivered_writer(delivered);
  delivered_writer.sized(queue.name);
  delivered_writer.i64_le(std::max(queue.delivered_mark, queue.cursor.delivered_mark()).value);
  put(out, entry::queue_delivered, delivered);
  auto failed = queue.cursor.failures();
  if (!queue.settings.strict || failed.empty()) return;
  std::string failures;
  encode_failures(queue.name, failed, failures);
  put(out, entry::queue_failed, failures);
}

void put_catalog(std::string& out, Catalog& catalog) {
  for (const std::string& command : catalog.state().snapshot()) put(out, entry::catalog, command);
  for (const std::string& command : catalog.access_state().snapshot())
    put(out, entry::access, command);
  for (const std::string& command : catalog.policies_state().snapshot()) {
    put(out, entry::policy, command);
  }
  for (const std::string& command : catalog.quotas_state().snapshot()) {
    put(out, entry::quota, command);
  }
  for (const auto& [queue, source] : catalog.places()) {
    std::string payload;
    ByteWriter writer(payload);
    writer.sized(queue);
    writer.sized(source);
    put(out, entry::queue_placed, payload);
  }
}

// Of what is not topics and queues.
Status apply_other_entry(Broker& broker, storage::EntryKind kind, ShardState& shard,
                         ByteView payload, BlobRange where) {
  ByteReader reader(payload);
  switch (kind) {
    case entry::catalog:
      return broker.catalog().apply(payload);
    case entry::access:
      return broker.catalog().apply_access(payload);
    case entry::policy:
      return broker.catalog().apply_policy(payload);
    case entry::quota:
      return broker.catalog().apply_quota(payload);
    case entry::queue_placed:
      return apply_queue_placed(broker, reader);
    case entry::keyspace:
      return apply_keyspace(shard, reader);
    case entry::claim_group:
      return apply_claim_group(shard, reader);
    case entry::added_once:
      return apply_added_once(shard, reader);
    case entry::group_offsets:
      return apply_group_offsets(shard, reader);
    case entry::transaction:
      return apply_transaction(shard, reader);
    case entry::group_offsets_state:
      return shard.group_offsets.restore(payload);
    case entry::consumer_group:
      return shard.consumer_groups.apply(payload);
    case entry::consumer_groups_state:
      return shard.consumer_groups.restore(payload);
    case entry::share_group:
      return shard.share_groups.apply(payload);
    case entry::share_groups_state:
      return shard.share_groups.restore(payload);
    case entry::share_cursor:
      return apply_share_cursor(shard, reader);
    case entry::share_changes:
      return apply_share_changes(shard, reader);
    case entry::share_changes_state:
      return shard.share_changes.restore(payload);
    case entry::transactions_state:
      return shard.transactions.restore(payload);
    case entry::delay_added:
      return apply_delay(shard, reader, where, true);
    case entry::delay_ended:
      return apply_delay(shard, reader, where, false);
    case entry::delays_state:
      return shard.delays.restore_state(payload);
    default:
      return Error{Errc::unsupported, "unknown kind of journal entry: " + std::to_string(kind)};
  }
}

}  // namespace

Status apply_entry(Broker& broker, storage::EntryKind kind, ShardState& shard, ByteView payload,
                   BlobRange where) {
  ByteReader reader(payload);
  switch (kind) {
    case entry::topic_created:
      return apply_topic_created(shard, reader);
    case entry::topic_removed:
      return apply_topic_removed(broker, shard, reader);
    case entry::topic_changed:
      return apply_topic_changed(shard, reader);
    case entry::batch:
      return apply_batch(shard, payload, where);
    case entry::batch_moved:
      return apply_batch_moved(shard, payload, where);
    case entry::batches_dropped:
      return apply_batches_dropped(shard, reader);
    case entry::partition_cleaned:
      return apply_partition_cleaned(shard, reader);
    case entry::topic_trimmed:
      return apply_trimmed(shard, reader);
    case entry::records_erased:
      return apply_erased(shard, reader);
    case entry::partition_trimmed:
      return apply_partition_trimmed(shard, reader);
    case entry::topic_id_set:
      return apply_id_set(shard, reader);
    case entry::topic_state:
      return apply_topic_state(shard, reader);
    case entry::queue_declared:
      return apply_queue_declared(broker, shard, reader);
    case entry::queue_removed:
      return apply_queue_removed(broker, shard, reader);
    case entry::queue_settled:
      return apply_queue_settled(shard, reader);
    case entry::queue_delivered:
      return apply_queue_delivered(shard, reader);
    case entry::queue_failed:
      return apply_queue_failed(shard, reader);
    case entry::queue_state:
      return apply_queue_state(shard, reader);
    default:
      return apply_other_entry(broker, kind, shard, payload, where);
  }
}

void write_snapshot(Broker& broker, ShardState& shard, std::string& out) {
  for (const auto& [name, topic] : shard.topics) {
    if (!topic->state.settings().transient) put_topic(out, *topic);
  }
  for (const auto& [name, queue] : shard.queues) {
    if (queue->durable()) put_queue(out, *queue);
  }
  shard.keyspace.snapshot([&](ByteView command) {
    std::string payload;
    ByteWriter writer(payload);
    writer.i64_le(0);
    writer.bytes(command);
    put(out, entry::keyspace, payload);
  });
  put(out, entry::group_offsets_state, shard.group_offsets.snapshot());
  put(out, entry::transactions_state, shard.transactions.snapshot());
  if (!shard.consumer_groups.all().empty()) {
    put(out, entry::consumer_groups_state, shard.consumer_groups.snapshot());
  }
  if (!shard.share_groups.empty()) {
    put(out, entry::share_groups_state, shard.share_groups.snapshot());
  }
  // After the topics, whose cursors count as changed when they are rebuilt.
  if (shard.share_changes != model::ShareChanges() &&
      !TRV_MUTANT(share_changes_lost_in_checkpoint)) {
    put(out, entry::share_changes_state, shard.share_changes.snapshot());
  }
  if (shard.delays.next_number() > 1) {
    std::string delays;
    shard.delays.encode_state(delays);
    put(out, entry::delays_state, delays);
  }
  if (shard.id == broker.shard_of(Catalog::home)) put_catalog(out, broker.catalog());
}

}  // namespace detail
}  // namespace trv::broker
