// What routing asks of a message: headers, properties, and for how long it is to be kept back.
#include <charconv>
#include <cmath>

#include "amqp/convert.h"
#include "amqp/envelope.h"
#include "base/assert.h"

namespace trv::amqp {

using wire::Properties;
using wire::Property;

namespace {

constexpr std::string_view delay_header = "x-delay";
// Longer ones count as none, as in RabbitMQ, whose timers end there.
constexpr std::int64_t delay_ms_max = 4'294'967'295;

std::optional<std::int64_t> delay_of(ByteView headers) {
  const auto value = wire::find_field(headers, delay_header);
  if (!value || value->type == 'T') return std::nullopt;
  if (const auto number = value->integer()) return number;
  if (const auto real = value->real()) {
    if (!(std::abs(*real) <= static_cast<double>(delay_ms_max))) return std::nullopt;
    return static_cast<std::int64_t>(*real);
  }
  if (value->type != 'S') return std::nullopt;
  return parse_expiration(value->raw);
}

}  // namespace

bool PropertyLookup::find(std::string_view name, model::HeaderValue& value) const {
  const auto found = wire::find_field(properties_.headers, name);
  if (found) value = header_value(*found);
  return found.has_value();
}

bool PropertyLookup::find_property(std::string_view name, model::HeaderValue& value) const {
  if (name == "message_id" && properties_.has(Property::message_id)) {
    value = std::string(properties_.message_id);
  } else if (name == "correlation_id" && properties_.has(Property::correlation_id)) {
    value = std::string(properties_.correlation_id);
  } else if (name == "timestamp" && properties_.has(Property::timestamp)) {
    value = std::to_string(properties_.timestamp);
  } else {
    return false;
  }
  return true;
}

std::int64_t PropertyLookup::delay_ms() const {
  if (!properties_.has(Property::headers)) return 0;
  const std::int64_t delay = delay_of(properties_.headers).value_or(0);
  return delay > 0 && delay <= delay_ms_max ? delay : 0;
}

std::unique_ptr<model::HeaderLookup> AmqpCodec::header_lookup(ByteView bytes) const {
  amqp::Envelope envelope;
  Properties p;
  if (!parse_envelope(bytes, envelope) || !wire::parse_properties(envelope.properties, p)) {
    return nullptr;
  }
  return std::make_unique<PropertyLookup>(p);
}

// The header turns negative, so that whoever gets the message sees that it was late on purpose, and
// no further exchange keeps it back.
std::string AmqpCodec::after_delay(ByteView bytes) const {
  amqp::Envelope envelope;
  Properties p;
  TRV_ASSERT(parse_envelope(bytes, envelope));
  TRV_ASSERT(wire::parse_properties(envelope.properties, p));
  std::string headers;
  wire::TableWriter fields(headers);
  wire::TableReader reader(p.headers);
  for (wire::Field field; reader.next(field);) {
    if (field.name != delay_header) {
      fields.add(field.name, field.value);
      continue;
    }
    const std::int64_t delay = -delay_of(p.headers).value_or(0);
    if (delay >= INT32_MIN) {
      fields.add_i32(delay_header, static_cast<std::int32_t>(delay));
    } else {
      fields.add_i64(delay_header, delay);
    }
  }
  p.headers = headers;
  std::string properties;
  ByteWriter w(properties);
  wire::encode_properties(w, p);
  envelope.properties = properties;
  std::string out;
  encode_envelope(out, envelope);
  return out;
}

}  // namespace trv::amqp
