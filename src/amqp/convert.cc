#include "amqp/convert.h"

#include <charconv>

#include "amqp/envelope.h"
#include "amqp/text.h"
#include "amqp/wire/properties.h"
#include "base/assert.h"

namespace trv::amqp {

using wire::Properties;
using wire::Property;

namespace {

constexpr std::string_view headers_omitted = "trivium.headers-omitted";

// Envelopes were encoded here and are covered by the log's checksums.
Envelope stored_envelope(const model::StoredRecord& record) {
  Envelope envelope;
  TRV_ASSERT(parse_envelope(record.envelope, envelope));
  return envelope;
}

// A share in whatever keeps the message's value alive.
Slice body_of(const model::StoredRecord& record, const model::Message& message) {
  if (!message.value || message.value->empty()) return {};
  const char* data = message.value->data();
  for (const Slice& owner : message.owners) {
    const ByteView view = owner.view();
    if (data >= view.data() && data + message.value->size() <= view.data() + view.size()) {
      return owner.share(*message.value);
    }
  }
  return record.owner.share(*message.value);
}

void add_headers(const Additions& additions, Sequence sequence, Rendered& out) {
  Properties properties;
  if (!wire::parse_properties(out.properties, properties)) return;
  std::string headers(properties.headers);
  wire::TableWriter fields(headers);
  if (additions.stream_offset) fields.add_i64("x-stream-offset", sequence.value);
  if (additions.failure_count > 0) fields.add_i64("x-delivery-count", additions.failure_count);
  if (additions.acquired_count > 0) fields.add_i64("x-acquired-count", additions.acquired_count);
  properties.headers = headers;
  properties.set(Property::headers);
  std::string encoded;
  ByteWriter w(encoded);
  wire::encode_properties(w, properties);
  out.kept_properties = std::move(encoded);
  out.properties = out.kept_properties;
}

void omit_headers(Rendered& out) {
  Properties properties;
  if (!wire::parse_properties(out.properties, properties)) return;
  std::int64_t count = 0;
  wire::TableReader reader(properties.headers);
  for (wire::Field field; reader.next(field);) ++count;
  std::string headers;
  wire::TableWriter(headers).add_i64(headers_omitted, count);
  properties.headers = headers;
  std::string encoded;
  ByteWriter w(encoded);
  wire::encode_properties(w, properties);
  out.kept_properties = std::move(encoded);
  out.properties = out.kept_properties;
}

// Adds what `properties` holds as headers of the neutral form.
class HeaderCollector {
 public:
  HeaderCollector(model::Message& message, const Properties& properties)
      : message_(message), properties_(properties) {}

  void table() {
    wire::TableReader reader(properties_.headers);
    for (wire::Field field; reader.next(field);) {
      if (field.value.type == 'V') {
        message_.headers.push_back({field.name, std::nullopt});
      } else if (const auto text = field.value.text()) {
        message_.headers.push_back({field.name, *text});
      } else {
        message_.headers.push_back({field.name, message_.keep(value_text(field.value))});
      }
    }
  }
  void text(Property property, std::string_view name, ByteView value) {
    if (properties_.has(property)) message_.headers.push_back({name, value});
  }
  void number(Property property, std::string_view name, std::uint64_t value) {
    if (properties_.has(property)) {
      message_.headers.push_back({name, message_.keep(std::to_string(value))});
    }
  }

 private:
  model::Message& message_;
  const Properties& properties_;
};

}  // namespace

void render(const broker::Broker& broker, std::string_view topic, const model::StoredRecord& record,
            const Additions& additions, std::size_t properties_size_max, Rendered& out) {
  if (record.origin == model::Origin::message) {
    const Envelope envelope = stored_envelope(record);
    out.exchange = envelope.exchange;
    out.routing_key = envelope.routing_key;
    out.properties = envelope.properties;
    out.body = record.value ? record.owner.share(*record.value) : Slice();
  } else {
    out.kept_message = broker.message_of(record);
    message_to_amqp(out.kept_message, topic, out);
    out.body = body_of(record, out.kept_message);
  }
  if (additions.stream_offset || additions.failure_count > 0 || additions.acquired_count > 0) {
    add_headers(additions, record.sequence, out);
  }
  if (out.properties.size() > properties_size_max) omit_headers(out);
}

model::HeaderValue header_value(const wire::Value& value) {
  if (value.type == 'V') return std::monostate{};
  if (const auto flag = value.boolean()) return *flag;
  if (const auto number = value.integer()) return *number;
  if (const auto real = value.real()) return *real;
  if (const auto text = value.text()) return std::string(*text);
  std::string opaque(1, '\0');
  opaque += value.type;
  opaque += value.raw;
  return opaque;
}

model::Message AmqpCodec::to_message(const model::StoredRecord& record) const {
  const amqp::Envelope envelope = stored_envelope(record);
  model::Message message;
  message.timestamp_ms = record.timestamp_ms;
  message.value = record.value.value_or(ByteView());
  message.owners.push_back(record.owner);
  if (!envelope.exchange.empty()) {
    message.key = envelope.routing_key;
    message.headers.push_back({"amqp.exchange", envelope.exchange});
  }
  Properties p;
  TRV_ASSERT(wire::parse_properties(envelope.properties, p));
  HeaderCollector collect(message, p);
  collect.table();
  collect.text(Property::content_type, "amqp.content-type", p.content_type);
  collect.text(Property::content_encoding, "amqp.content-encoding", p.content_encoding);
  collect.number(Property::delivery_mode, "amqp.delivery-mode", p.delivery_mode);
  collect.number(Property::priority, "amqp.priority", p.priority);
  collect.text(Property::correlation_id, "amqp.correlation-id", p.correlation_id);
  collect.text(Property::reply_to, "amqp.reply-to", p.reply_to);
  collect.text(Property::expiration, "amqp.expiration", p.expiration);
  collect.text(Property::message_id, "amqp.message-id", p.message_id);
  collect.number(Property::timestamp, "amqp.timestamp", p.timestamp);
  collect.text(Property::type, "amqp.type", p.type);
  collect.text(Property::user_id, "amqp.user-id", p.user_id);
  collect.text(Property::app_id, "amqp.app-id", p.app_id);
  collect.text(Property::cluster_id, "amqp.cluster-id", p.cluster_id);
  return message;
}

std::optional<std::int64_t> parse_expiration(ByteView text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t AmqpCodec::time_to_live(const model::StoredRecord& record) const {
  if (record.origin != model::Origin::message) return -1;
  const amqp::Envelope envelope = stored_envelope(record);
  Properties p;
  TRV_ASSERT(wire::parse_properties(envelope.properties, p));
  if (!p.has(Property::expiration)) return -1;
  // Checked when it was published.
  return parse_expiration(p.expiration).value_or(-1);
}

std::uint8_t AmqpCodec::priority(const model::StoredRecord& record) const {
  if (record.origin != model::Origin::message) return 0;
  Properties p;
  TRV_ASSERT(wire::parse_properties(stored_envelope(record).properties, p));
  return p.has(Property::priority) ? p.priority : 0;
}

}  // namespace trv::amqp
