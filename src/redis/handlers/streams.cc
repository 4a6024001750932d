#include "redis/handlers/streams.h"

#include <utility>

#include "broker/cold_reads.h"
#include "broker/trial.h"
#include "redis/reply_queue.h"

namespace trv::redis {

FoundStream find_stream(Call& call, ByteView key) {
  broker::Topic* topic = call.broker.topics().find(key);
  if (!topic && call.broker.keyspaces().of(key).find(key, call.now)) {
    call.reply.error(text::wrong_type);
    return {nullptr, true};
  }
  if (!topic) call.service.key_events().note_miss(call, key);
  return {topic, false};
}

bool added_in_transaction(Call& call, const broker::Topic* topic) {
  if (!topic || !broker::WriterView::is_open(*topic)) return false;
  call.reply.error(
      "ERR a transaction can not deliver from a stream, or copy it, after adding to it");
  return true;
}

void write_entry(Call& call, ReplyWriter& reply, const broker::Topic& topic,
                 const model::StoredRecord& record) {
  reply.array(2);
  reply.id(record.id);
  write_fields(reply, call.broker, record, broker::Topics::settings(topic).payload_field);
}

void write_delivered_entry(Call& call, ReplyWriter& reply, const broker::Topic& topic,
                           const model::StoredRecord& record, EntryDelivery delivery) {
  reply.array(4);
  reply.id(record.id);
  write_fields(reply, call.broker, record, broker::Topics::settings(topic).payload_field);
  reply.integer(delivery.idle_ms);
  reply.count(delivery.count);
}

namespace {

std::optional<RecordId> range_bound(Call& call, ByteView text, MissingSeq missing) {
  bool exclusive = !text.empty() && text[0] == '(';
  std::optional<RecordId> id =
      exclusive ? parse_id_strict(text.substr(1), missing) : parse_id(text, missing);
  if (!id) {
    call.reply.error(text::invalid_id);
    return std::nullopt;
  }
  if (!exclusive) return id;
  if (missing == MissingSeq::zero) {
    if (*id != RecordId::max()) return id->next();
    call.reply.error("ERR invalid start ID for the interval");
    return std::nullopt;
  }
  if (*id != RecordId{0, 0}) return id->previous();
  call.reply.error("ERR invalid end ID for the interval");
  return std::nullopt;
}

}  // namespace

std::optional<RecordId> range_start(Call& call, ByteView text) {
  return range_bound(call, text, MissingSeq::zero);
}

std::optional<RecordId> range_end(Call& call, ByteView text) {
  return range_bound(call, text, MissingSeq::max);
}

std::optional<RecordId> id_arg(Call& call, std::size_t index) {
  std::optional<RecordId> id = parse_id_strict(call.args[index], MissingSeq::zero);
  if (!id) call.reply.error(text::invalid_id);
  return id;
}

Result<std::optional<model::StoredRecord>> record_with_id(broker::Broker& broker,
                                                          broker::Topic& topic, RecordId id) {
  Result<Sequence> at = broker.topics().sequence_of(topic, id);
  if (!at) return at.error();
  auto record = broker.topics().read_one(topic, *at);
  if (record && *record && (*record)->id != id) record->reset();
  return record;
}

bool met_cold(const Call& call) {
  const broker::Trial* trial = call.broker.cold_reads().trial();
  return trial && trial->met_cold();
}

bool looks_on(const Call& call) {
  const broker::Trial* trial = call.broker.cold_reads().trial();
  return trial && trial->met_cold() && trial->may_note();
}

namespace {

// `left` is what the reader has not seen, yet.
Status visit_range(broker::Broker& broker, broker::Topic& topic, broker::Trial::Range& left,
                   const broker::Topics::Visit& visit) {
  Result<Sequence> from = broker.topics().sequence_of(topic, left.first);
  if (!from) return from.error();
  Result<Sequence> end = broker.topics().read(topic, *from, [&](const model::StoredRecord& record) {
    if (record.id > left.last) return false;
    left.first = record.id;
    if (!visit(record)) return false;
    return --left.count > 0;
  });
  return end ? Status() : Status(end.error());
}

}  // namespace

Status each_record(broker::Broker& broker, broker::Topic& topic, RecordId first, RecordId last,
                   std::size_t count, const broker::Topics::Visit& visit) {
  if (first > last || count == 0) return {};
  broker::Trial::Range left{first, last, count};
  Status done = visit_range(broker, topic, left, visit);
  if (!done) {
    broker::Trial* trial = broker.cold_reads().trial();
    if (trial && trial->met_cold()) trial->note_range(topic, left);
  }
  return done;
}

std::optional<RecordId> first_id(broker::Broker& broker, broker::Topic& topic) {
  return broker.topics().first_live_id(topic);
}

std::optional<std::uint64_t> added_up_to(broker::Broker& broker, broker::Topic& topic,
                                         RecordId id) {
  const model::Topic& state = broker.topics().state(topic);
  std::uint64_t added = state.added_count();
  if (added == 0) return 0;
  if (state.live_count() == 0 && id < state.last_id()) return added;
  if (id == state.last_id()) return added;
  if (id > state.last_id()) return std::nullopt;
  std::optional<RecordId> first = first_id(broker, topic);
  if (!first) return std::nullopt;
  bool erased_inside = state.max_erased_id() != RecordId{} && state.max_erased_id() >= *first;
  if (erased_inside) return std::nullopt;
  if (id < *first) return added - state.live_count();
  if (id == *first) return added - state.live_count() + 1;
  return std::nullopt;
}

bool erased_since(broker::Broker& broker, broker::Topic& topic, RecordId id) {
  const model::Topic& state = broker.topics().state(topic);
  if (state.live_count() == 0 || state.max_erased_id() == RecordId{}) return false;
  return state.max_erased_id() >= id;
}

std::optional<std::uint64_t> lag_of(broker::Broker& broker, broker::Topic& topic,
                                    const model::ClaimGroup& group) {
  const model::Topic& state = broker.topics().state(topic);
  std::uint64_t added = state.added_count();
  if (added == 0) return 0;
  if (group.entries_read() && !erased_since(broker, topic, group.position())) {
    return added - std::min(added, *group.entries_read());
  }
  std::optional<std::uint64_t> read = added_up_to(broker, topic, group.position());
  if (!read) return std::nullopt;
  return added - std::min(added, *read);
}

bool too_large(Call& call, std::size_t start) {
  if (call.reply.out().size() - start <= reply_size_max) return false;
  call.reply.out().resize(start);
  call.reply.error(text::reply_too_large);
  return true;
}

std::string room_for_entries(const Call& call) {
  std::string room;
  room.reserve(call.service.usual_read_size());
  return room;
}

void reply_with_entries(Call& call, std::string&& body) {
  call.service.note_read_size(body.size());
  std::string& out = call.reply.out();
  if (out.empty() && is_tight(body)) {
    out = std::move(body);
  } else {
    out += body;
  }
}

std::string no_group_for(ByteView key, ByteView group) {
  return "NOGROUP No such key '" + std::string(key) + "' or consumer group '" + std::string(group) +
         "'";
}

std::string no_consumer_group(ByteView key, ByteView group) {
  return "NOGROUP No such consumer group '" + std::string(group) + "' for key name '" +
         std::string(key) + "'";
}

}  // namespace trv::redis
