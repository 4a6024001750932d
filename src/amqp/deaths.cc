// Dead letters: the history that a message carries in its headers from queue to queue.
//
//   x-death: an array, newest first, of one table per (queue, reason):
//     count i64, reason, queue, time, exchange, routing-keys, original-expiration when it had one
//   x-first-death-{reason,queue,exchange}: of the first; x-last-death-*: of the newest
#include <vector>

#include "amqp/convert.h"
#include "amqp/envelope.h"
#include "amqp/names.h"
#include "amqp/wire/properties.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/broker.h"

namespace trv::amqp {

using broker::Death;
using broker::DeathReason;
using wire::Properties;
using wire::Property;

namespace {

const char* to_string(DeathReason reason) {
  switch (reason) {
    case DeathReason::rejected:
      return "rejected";
    case DeathReason::expired:
      return "expired";
    case DeathReason::overflow:
      return "maxlen";
    case DeathReason::failures:
      return "delivery_limit";
  }
  return "";
}

struct PastDeath {
  ByteView queue;
  ByteView reason;
  ByteView table;
};

std::vector<PastDeath> read_history(ByteView headers) {
  std::vector<PastDeath> history;
  const auto array = wire::find_field(headers, "x-death");
  if (!array || array->type != 'A') return history;
  wire::ArrayReader reader(array->raw);
  for (wire::Value entry; reader.next(entry);) {
    if (entry.type != 'F') continue;
    const auto queue = wire::find_field(entry.raw, "queue");
    const auto reason = wire::find_field(entry.raw, "reason");
    if (queue && reason) history.push_back({queue->raw, reason->raw, entry.raw});
  }
  return history;
}

// The keys of a CC header.
std::vector<std::string> copy_keys(ByteView headers) {
  std::vector<std::string> keys;
  const auto copies = wire::find_field(headers, "CC");
  if (!copies || copies->type != 'A') return keys;
  wire::ArrayReader reader(copies->raw);
  for (wire::Value key; reader.next(key);) {
    if (key.type == 'S') keys.emplace_back(key.raw);
  }
  return keys;
}

// The keys that the message was published with: its own, and those of the CC header.
std::string routing_keys(ByteView routing_key, ByteView headers) {
  std::string array;
  ByteWriter w(array);
  wire::write_value(w, {'S', routing_key});
  for (const std::string& key : copy_keys(headers)) wire::write_value(w, {'S', key});
  return array;
}

std::string new_entry(const Death& death, const Envelope& from, const Properties& p) {
  std::string entry;
  wire::TableWriter fields(entry);
  fields.add_i64("count", 1);
  fields.add_text("reason", to_string(death.reason));
  fields.add_text("queue", local_name(death.queue));
  fields.add_timestamp("time", static_cast<std::uint64_t>(death.at.ms / 1000));
  fields.add_text("exchange", from.exchange);
  fields.add_array("routing-keys", routing_keys(from.routing_key, p.headers));
  if (p.has(Property::expiration)) fields.add_text("original-expiration", p.expiration);
  return entry;
}

// Count, exchange, keys and time stay as they were at the first such death; the count rises.
std::string repeated_entry(ByteView table) {
  std::string entry;
  wire::TableWriter fields(entry);
  wire::TableReader reader(table);
  for (wire::Field field; reader.next(field);) {
    if (field.name == "count") {
      fields.add_i64("count",
                     field.value.integer().value_or(0) + (TRV_MUTANT(death_not_counted) ? 0 : 1));
    } else {
      fields.add(field.name, field.value);
    }
  }
  return entry;
}

// With an address of its own for dead letters, a queue does not send copies.
bool replaced(ByteView name, bool keep_first, bool readdressed) {
  return name == "x-death" || (name == "CC" && readdressed) || name.starts_with("x-last-death-") ||
         (!keep_first && name.starts_with("x-first-death-"));
}

std::string headers_with(const Death& death, const Envelope& from, const Properties& p,
                         const std::vector<PastDeath>& history) {
  const std::string_view reason = to_string(death.reason);
  std::string array;
  ByteWriter w(array);
  const auto same = [&](const PastDeath& past) {
    return past.queue == local_name(death.queue) && past.reason == reason;
  };
  std::string entry;
  for (const PastDeath& past : history) {
    if (same(past)) entry = repeated_entry(past.table);
  }
  if (entry.empty()) entry = new_entry(death, from, p);
  wire::write_value(w, {'F', entry});
  for (const PastDeath& past : history) {
    if (!same(past)) wire::write_value(w, {'F', past.table});
  }
  const bool keep_first = from.deaths_are_ours;
  std::string headers;
  wire::TableWriter fields(headers);
  wire::TableReader reader(p.headers);
  for (wire::Field field; reader.next(field);) {
    if (!replaced(field.name, keep_first, !death.routing_key.empty()))
      fields.add(field.name, field.value);
  }
  fields.add_array("x-death", array);
  const auto describe = [&](const std::string& which) {
    fields.add_text("x-" + which + "-death-exchange", from.exchange);
    fields.add_text("x-" + which + "-death-queue", local_name(death.queue));
    fields.add_text("x-" + which + "-death-reason", reason);
  };
  if (!keep_first) describe("first");
  describe("last");
  return wire::sorted_table(headers);
}

// A message that nobody ever rejects must not go round for ever: it does not come again to the
// queues that it has left since it was last rejected, this one included.
std::vector<std::string> left_queues(const Death& death, const std::vector<PastDeath>& history) {
  std::vector<std::string> left;
  const std::string_view rejected = to_string(DeathReason::rejected);
  if (death.reason == DeathReason::rejected) return left;
  left.push_back(death.queue);
  const ScopedName dying = split_scoped(death.queue);
  for (const PastDeath& past : history) {
    if (past.reason == rejected) break;
    if (past.queue != dying.name || past.reason != to_string(death.reason)) {
      left.push_back(queue_in(dying.scope, past.queue));
    }
  }
  return left;
}

}  // namespace

AmqpCodec::Envelope AmqpCodec::dead_letter(const model::StoredRecord& record,
                                           const model::Message& message,
                                           const Death& death) const {
  amqp::Envelope from;
  Rendered rendered;
  if (record.origin == model::Origin::message) {
    TRV_ASSERT(parse_envelope(record.envelope, from));
  } else {
    message_to_amqp(message, death.queue, rendered);
    from = {rendered.exchange, rendered.routing_key, rendered.properties, false};
  }
  Properties p;
  TRV_ASSERT(wire::parse_properties(from.properties, p));
  const std::vector<PastDeath> history = from.deaths_are_ours || TRV_MUTANT(forged_deaths_believed)
                                             ? read_history(p.headers)
                                             : std::vector<PastDeath>();
  Envelope out;
  out.routing_key = death.routing_key.empty() ? std::string(from.routing_key) : death.routing_key;
  if (death.routing_key.empty()) out.more_keys = copy_keys(p.headers);
  out.left_queues = left_queues(death, history);
  const std::string headers = headers_with(death, from, p, history);
  p.headers = headers;
  p.set(Property::headers);
  p.set(Property::expiration, false);
  std::string properties;
  ByteWriter w(properties);
  wire::encode_properties(w, p);
  encode_envelope(out.bytes, {local_name(death.exchange), out.routing_key, properties, true});
  if (!death.exchange.empty()) return out;
  // The default exchange knows queues by the broker's names.
  const std::string_view vhost = scope_of(death.queue);
  out.routing_key = queue_in(vhost, out.routing_key);
  for (std::string& key : out.more_keys) key = queue_in(vhost, key);
  return out;
}

}  // namespace trv::amqp
