// Appending: gathering records into batches, storing batches as sent, and showing what is durable.
#include <algorithm>

#include "base/crc32c.h"
#include "base/mutant.h"
#include "broker/detail/batch_prefix.h"
#include "broker/detail/share_state.h"
#include "broker/detail/topics_state.h"
#include "broker/entry.h"
#include "broker/queues.h"
#include "model/partitioner.h"

namespace trv::broker {
namespace {

// An open batch is ended at this size, so that one slow reader of it does not hold much.
constexpr std::size_t open_batch_size_max = 256u << 10;
// A value from this size on is a batch of its own: then it need not be copied to be gathered.
constexpr std::size_t alone_size_min = 16u << 10;
// What a batch takes in the journal besides its records, and a record besides its bytes,
// generously.
constexpr std::uint64_t batch_overhead_max =
    detail::BatchPrefix::size + model::batch_header_size + storage::Journal::entry_overhead_max;
constexpr std::uint64_t record_overhead_max = 96;
constexpr std::size_t batch_pieces_max = 4;
constexpr std::int64_t timestamp_ahead_max_ms = 3'600'000;

std::int16_t origin_attribute(model::Origin origin) {
  return static_cast<std::int16_t>(static_cast<int>(origin)
                                   << model::batch_attributes::origin_shift);
}

// The id of the last of `count` records that follow each other from `first`; moves `first` to the
// next millisecond when they would not fit into this one.
RecordId last_of(RecordId& first, std::int32_t count) {
  auto more = static_cast<std::uint64_t>(count - 1);
  if (first.seq > std::numeric_limits<std::uint64_t>::max() - more) first = {first.ms + 1, 0};
  return {first.ms, first.seq + more};
}

bool follows(RecordId last, RecordId id) { return id.ms == last.ms && id.seq == last.seq + 1; }

// A reader of the topic by id sees `id` next: chosen ids ascend, given ones follow each other
// within a batch of messages, whose ids are not stored one by one.
Result<RecordId> choose_id(const Topic& topic, RecordId last, const model::NewRecord& record,
                           WallTime now) {
  if (record.id) {
    if (*record.id <= last) return Error{Errc::out_of_range, "id is not above the last one"};
    return *record.id;
  }
  if (last == RecordId::max()) return Error{Errc::out_of_range, "record ids are exhausted"};
  auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(now.ms, 0));
  if (!topic.builder.empty() && topic.building_origin == model::Origin::message &&
      last.seq != std::numeric_limits<std::uint64_t>::max()) {
    return last.next();
  }
  return ms > last.ms ? RecordId{ms, 0} : last.next();
}

PartitionIndex choose_partition(Topic& topic, ByteView key) {
  std::int32_t count = topic.state.partition_count();
  if (count == 1) return PartitionIndex(0);
  if (!key.empty()) return model::partition_for(key, count);
  return PartitionIndex(topic.next_partition % count);
}

// Requires: the records were checked.
bool all_keyed(ByteView records, std::int32_t count) {
  model::BatchRecordReader reader(records, count);
  model::BatchRecord record;
  while (reader.next(record)) {
    if (!record.key) return false;
  }
  return true;
}

struct Admitted {
  model::BatchHeader header;
  Slice plain;  // its records without compression; looks at the batch when they came so
};

// Whether the batch may enter a topic of these settings at all.
Result<Admitted> admit_batch(ByteView batch, const model::TopicSettings& settings, WallTime now) {
  Result<model::BatchHeader> checked = model::check_batch(batch);
  if (!checked) return checked.error();
  const model::BatchHeader& header = *checked;
  const bool too_large = batch.size() > static_cast<std::size_t>(settings.batch_size_max);
  if (too_large && !TRV_MUTANT(batch_size_unchecked)) {
    return Error{Errc::too_large, "batch is larger than max.message.bytes"};
  }
  const bool dense = header.last_offset_delta == header.record_count - 1;
  if (header.record_count <= 0 || (!dense && !TRV_MUTANT(batch_with_gaps_stored)) ||
      (header.control() && !TRV_MUTANT(marker_of_a_client_stored)) || header.has_delete_horizon() ||
      (header.transactional() && header.producer_id.value < 0) ||
      (header.attributes & model::batch_attributes::origin_mask) != 0) {
    return Error{Errc::invalid_argument, "batch violates the format"};
  }
  bool stamped = (header.attributes & model::batch_attributes::append_time) != 0;
  if (stamped ||
      (!settings.append_time && header.max_timestamp > now.ms + timestamp_ahead_max_ms)) {
    return Error{Errc::out_of_range, "timestamp of the batch is out of range"};
  }
  Result<Slice> plain = model::batch_records(Slice::of_static(batch), header);
  if (!plain) return Error{Errc::invalid_argument, plain.error().message};
  if (Status good = model::check_records(plain->view(), header.record_count); !good) {
    return Error{Errc::invalid_argument, good.error().message};
  }
  if (settings.cleaning.on && !all_keyed(plain->view(), header.record_count)) {
    return Error{Errc::invalid_argument, "Compacted topic cannot accept message without key"};
  }
  return Admitted{header, std::move(plain).value()};
}

// A batch as it is stored: as it came, or its records in the codec that the topic wants.
struct Packed {
  model::Compression codec = model::Compression::none;
  std::string own;  // what `records` looks at, unless that is what came
  ByteView records;
};

// Errors: too_large (for the topic, once it is in its codec), io_error.
Status pack(ByteView batch, const Admitted& admitted, const model::TopicSettings& settings,
            Packed& packed) {
  const model::Recompression& wanted = settings.recompression;
  packed.codec = admitted.header.compression();
  packed.records = batch.substr(model::batch_header_size);
  if (!wanted.codec || *wanted.codec == packed.codec || TRV_MUTANT(topic_codec_ignored)) return {};
  packed.codec = *wanted.codec;
  packed.records = admitted.plain.view();
  if (packed.codec != model::Compression::none) {
    Result<std::string> own = model::compress(packed.codec, packed.records, wanted.level());
    if (!own) return own.error();
    packed.own = std::move(own).value();
    packed.records = packed.own;
  }
  const std::size_t size = model::batch_header_size + packed.records.size();
  const bool too_large = size > static_cast<std::size_t>(settings.batch_size_max);
  if (too_large && !TRV_MUTANT(repacked_size_unchecked)) {
    return Error{Errc::too_large, "batch is larger than max.message.bytes in the topic's codec"};
  }
  return {};
}

// The head of a batch as it is stored, with what `header` says of its place, its size and its
// times. The checksum is computed anew only where it must be.
std::string stored_head(ByteView batch, const model::BatchHeader& came, model::BatchHeader& header,
                        ByteView records) {
  constexpr std::size_t length_at = 8, epoch_at = 12, crc_at = 17, attributes_at = 21,
                        newest_at = 35;
  // Base offset and leader epoch lie outside the checksum.
  std::string head(batch.substr(0, model::batch_header_size));
  store_be(head.data(), header.base_offset.value);
  store_be(head.data() + epoch_at, std::int32_t{0});
  if (header.attributes == came.attributes && header.max_timestamp == came.max_timestamp)
    return head;
  header.length = static_cast<std::int32_t>(head.size() + records.size() - epoch_at);
  store_be(head.data() + length_at, header.length);
  store_be(head.data() + attributes_at, header.attributes);
  store_be(head.data() + newest_at, header.max_timestamp);
  header.crc = crc32c(crc32c(0, ByteView(head).substr(model::batch_crc_begin)), records);
  store_be(head.data() + crc_at, header.crc);
  return head;
}

}  // namespace

Result<Appended> Topics::append(Topic& topic, const model::NewRecord& record) {
  Broker& broker = state_->broker;
  if (record.value.size() > broker.options().message_size_max) {
    return Error{Errc::too_large, "record is larger than the configured maximum"};
  }
  WallTime now = broker.wall_now();
  Result<RecordId> id = choose_id(topic, last_id(topic), record, now);
  if (!id) return id.error();
  PartitionIndex partition = choose_partition(topic, record.partition_key);
  const bool alone = record.value.size() >= alone_size_min;
  bool fits = !alone && !topic.builder.empty() && topic.building_origin == record.origin &&
              topic.building_partition == partition &&
              topic.builder.size() + record.value.size() < open_batch_size_max &&
              (record.origin == model::Origin::fields || follows(topic.building_last_id, *id));
  const std::uint64_t size = record.value.size() + record.envelope.size() + record_overhead_max +
                             (fits ? 0 : batch_overhead_max);
  if (Status promised = broker.promise(Space::more, size); !promised) return promised.error();
  if (!fits) {
    state_->seal(topic);
    topic.building_origin = record.origin;
    topic.building_partition = partition;
    topic.building_first_id = *id;
  }
  topic.building_promised += size;
  topic.building_last_id = *id;

  std::string& headers = state_->headers_scratch;
  headers.clear();
  if (record.origin == model::Origin::fields) {
    std::string envelope;  // short enough to need no allocation
    ByteWriter writer(envelope);
    writer.varint(id->ms);
    writer.varint(id->seq);
    detail::append_envelope_header(headers, envelope);
  } else {
    detail::append_envelope_header(headers, record.envelope);
  }
  Durability level = topic.state.settings().durability;
  if (!topic.strict) level = std::min(level, record.level);
  state_->mark_dirty(topic, level);

  std::int32_t index = topic.builder.record_count();
  Appended appended;
  appended.partition = partition;
  appended.base_offset = topic.state.log_end(partition) + index;
  appended.first_sequence = topic.state.end() + index;
  appended.first_id = *id;
  appended.append_time = now;
  appended.log_start = topic.state.log_start(partition);
  appended.commit = {broker.tail().round, level};
  if (alone) {
    topic.builder.add_alone(now.ms, record.value, headers, 1);
    state_->seal(topic);
  } else {
    topic.builder.add(now.ms, std::nullopt, record.value, headers, 1);
  }
  return appended;
}

Result<Appended> Topics::append_batch(Topic& topic, PartitionIndex partition, ByteView batch) {
  Broker& broker = state_->broker;
  const model::TopicSettings& settings = topic.state.settings();
  WallTime now = broker.wall_now();
  Result<Admitted> admitted = admit_batch(batch, settings, now);
  if (!admitted) return admitted.error();
  model::BatchHeader header = admitted->header;
  state_->seal(topic);
  if (header.producer_id.value >= 0) {
    Result<model::BatchVerdict> verdict = topic.state.producers(partition).check(
        {header.producer_id, header.producer_epoch, header.base_sequence, header.record_count,
         header.transactional(), Offset(-1), WallTime{header.max_timestamp}, now});
    if (!verdict) return verdict.error();
    if (verdict->duplicate && !TRV_MUTANT(duplicate_stored_again)) {
      Appended original;
      original.partition = partition;
      original.base_offset = verdict->base_offset;
      original.append_time = verdict->timestamp;
      original.log_start = topic.state.log_start(partition);
      original.duplicate = true;
      original.commit = {broker.tail().round, settings.durability};
      return original;
    }
  }
  Packed packed;
  if (Status done = pack(batch, *admitted, settings, packed); !done) return done.error();
  Result<RecordId> first = topic.state.next_id(now);
  if (!first) return first.error();
  const std::uint64_t size = packed.records.size() + batch_overhead_max;
  if (Status promised = broker.promise(Space::more, size); !promised) return promised.error();
  RecordId first_id = *first;
  RecordId last_id = last_of(first_id, header.record_count);

  header.base_offset = topic.state.log_end(partition);
  header.set_compression(packed.codec);
  if (settings.append_time) {
    header.attributes |= model::batch_attributes::append_time;
    header.max_timestamp = now.ms;
  }
  const std::string head = stored_head(batch, admitted->header, header, packed.records);
  Appended appended;
  appended.partition = partition;
  appended.base_offset = header.base_offset;
  appended.first_sequence = topic.state.end();
  appended.first_id = first_id;
  appended.append_time = now;
  appended.log_start = topic.state.log_start(partition);
  appended.commit = {broker.tail().round, settings.durability};
  const ByteView parts[] = {head, packed.records};
  state_->store(topic, {partition, first_id, last_id, false, 0, parts, header, size});
  state_->mark_dirty(topic, settings.durability);
  return appended;
}

void Topics::expect_transaction(Topic& topic, PartitionIndex partition, ProducerId producer_id,
                                std::int16_t producer_epoch) {
  topic.state.producers(partition).expect_transaction(producer_id, producer_epoch);
}

Result<Appended> Topics::append_marker(Topic& topic, PartitionIndex partition,
                                       ProducerId producer_id, std::int16_t producer_epoch,
                                       bool commit, std::int32_t coordinator_epoch) {
  Broker& broker = state_->broker;
  state_->seal(topic);
  WallTime now = broker.wall_now();
  Status allowed = topic.state.producers(partition).check_marker(
      {producer_id, producer_epoch, commit, coordinator_epoch, Offset(-1), now});
  if (!allowed) return allowed.error();
  Result<RecordId> id = topic.state.next_id(now);
  if (!id) return id.error();
  std::string batch = model::make_end_marker(topic.state.log_end(partition), producer_id,
                                             producer_epoch, commit, coordinator_epoch, now.ms);
  Result<model::BatchHeader> header = model::parse_batch_header(batch);
  TRV_ASSERT(header.ok());
  const std::uint64_t size = batch.size() + batch_overhead_max;
  if (Status promised = broker.promise(Space::more, size); !promised) return promised.error();
  Appended appended;
  appended.partition = partition;
  appended.base_offset = header->base_offset;
  appended.first_sequence = topic.state.end();
  appended.first_id = *id;
  appended.append_time = now;
  appended.commit = {broker.tail().round, topic.state.settings().durability};
  const ByteView parts[] = {batch};
  state_->store(topic, {partition, *id, *id, commit, coordinator_epoch, parts, *header, size});
  state_->mark_dirty(topic, topic.state.settings().durability);
  return appended;
}

void Topics::State::seal(Topic& topic) {
  if (topic.builder.empty()) return;
  Offset base = topic.state.log_end(topic.building_partition);
  std::string head = topic.builder.header(base, origin_attribute(topic.building_origin));
  Result<model::BatchHeader> header = model::parse_batch_header(head);
  TRV_ASSERT(header.ok());
  const auto records = topic.builder.records();
  const ByteView parts[] = {head, records[0], records[1], records[2]};
  store(topic, {topic.building_partition, topic.building_first_id, topic.building_last_id, false, 0,
                parts, *header, std::exchange(topic.building_promised, 0)});
  topic.builder.clear();
}

void Topics::State::store(Topic& topic, const BatchParts& parts) {
  detail::BatchPrefix prefix;
  prefix.topic = topic.state.id();
  prefix.partition = parts.partition;
  prefix.coordinator_epoch = parts.coordinator_epoch;
  prefix.first_sequence = topic.state.end();
  prefix.first_id = parts.first_id;
  prefix.last_id = parts.last_id;
  prefix.appended_at_ms = broker.wall_now().ms;
  char raw[detail::BatchPrefix::size];
  prefix.encode(raw);
  ByteView views[1 + batch_pieces_max] = {ByteView(raw, sizeof raw)};
  TRV_ASSERT(parts.bytes.size() <= batch_pieces_max);
  std::copy(parts.bytes.begin(), parts.bytes.end(), views + 1);
  BlobRange blob = broker.journal_promised(entry::batch, topic.shard,
                                           std::span<const ByteView>(views, 1 + parts.bytes.size()),
                                           parts.promised);
  blob.position += static_cast<std::uint32_t>(detail::BatchPrefix::size);
  blob.length -= static_cast<std::uint32_t>(detail::BatchPrefix::size);
  topic.state.apply_batch({parts.partition, parts.header, parts.first_id, parts.last_id, blob,
                           parts.marker_commits, parts.coordinator_epoch,
                           WallTime{prefix.appended_at_ms}});
}

void Topics::State::mark_dirty(Topic& topic, Durability level) {
  if (!topic.dirty) {
    topic.dirty = true;
    topic.round_level = level;
    dirty.push_back(&topic);
  }
  topic.round_level = std::max(topic.round_level, level);
}

void Topics::State::end_round() {
  std::vector<Topic*> appended;
  appended.swap(dirty);
  for (Topic* topic : appended) {
    seal(*topic);
    topic->dirty = false;
    ++topic->next_partition;
    Topic::VisibilityStep step;
    step.number = topic->next_step++;
    step.end = topic->state.end();
    step.last_id = topic->state.last_id();
    for (std::int32_t p = 0; p < topic->state.partition_count(); ++p) {
      step.log_ends.push_back(topic->state.log_end(PartitionIndex(p)));
    }
    topic->steps.push_back(std::move(step));
    ShardState& shard = broker.shard(topic->shard);
    if (TRV_MUTANT(shown_before_durable)) topic->round_level = Durability::memory;
    broker.when_durable({broker.tail().round, topic->round_level},
                        [this, &shard, id = topic->state.id(),
                         number = topic->steps.back().number](Result<Durable> durable) {
                          // A failed journal shows nothing more: what is not durable may not be
                          // seen.
                          if (!durable) return;
                          if (Topic* found = shard.find_topic(id)) show(*found, number);
                        });
  }
}

void Topics::State::show(Topic& topic, std::uint64_t step_number) {
  for (Topic::VisibilityStep& step : topic.steps) {
    if (step.number == step_number) step.durable = true;
  }
  const Sequence before = topic.visible_end;
  bool shown = false;
  while (!topic.steps.empty() && topic.steps.front().durable) {
    Topic::VisibilityStep& step = topic.steps.front();
    topic.visible_end = step.end;
    topic.visible_last_id = std::max(topic.visible_last_id, step.last_id);
    for (std::size_t p = 0; p < step.log_ends.size(); ++p) {
      topic.high_watermarks[p] = step.log_ends[p];
    }
    topic.steps.pop_front();
    shown = true;
  }
  if (!shown) return;
  // Markers of transactions are among them, if there are any.
  const auto count = static_cast<std::uint64_t>(topic.visible_end.value - before.value);
  broker.queues().on_visible(topic, count);
  broker.topics().notify(topic.state.name());
}

void Topics::State::run_watchers(const std::string& name) {
  woken.erase(name);
  auto it = watchers.find(name);
  if (it == watchers.end()) return;
  std::list<Watcher> list;
  list.swap(it->second);
  watchers.erase(it);
  watcher_count -= list.size();
  for (Watcher& watcher : list) watcher.woken();
}

void Topics::State::forget(Topic& topic) {
  std::erase(dirty, &topic);
  topic.builder.clear();
  broker.take_back(std::exchange(topic.building_promised, 0));
}

Topic* Topics::State::insert(ShardState& shard, TopicId id, const std::string& name,
                             const model::TopicSettings& settings) {
  auto topic = std::make_unique<Topic>(shard.id, id, name, settings);
  topic->state.use(&shard.pages);
  Topic* raw = topic.get();
  shard.topics.insert_or_assign(name, std::move(topic));
  shard.topics_by_id[id] = raw;
  return raw;
}

void Topics::State::erase(ShardState& shard, Topic& topic) {
  if (!TRV_MUTANT(end_of_share_cursors_not_told)) detail::note_share_cursors(shard, topic);
  shard.topics_by_id.erase(topic.state.id());
  std::string name = topic.state.name();
  shard.topics.erase(name);
}

void Topics::State::apply_settings(Topic& topic, const model::TopicSettings& settings) {
  if (settings.partition_count > topic.state.partition_count()) {
    topic.state.apply_add_partitions(settings.partition_count);
    topic.high_watermarks.resize(static_cast<std::size_t>(settings.partition_count));
  }
  topic.state.set_settings(settings);
}

}  // namespace trv::broker
