// Between stored records and AMQP messages (docs/view-contract.md): what a consumer of this
// protocol is sent for a record of any origin, and how other protocols read what came over this
// one.
#pragma once

#include <memory>
#include <string>

#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"
#include "base/slice.h"
#include "broker/broker.h"
#include "model/record.h"
#include "model/router.h"

namespace trv::amqp {

// A message as it goes to a consumer. Views point into the record, or into what is kept here.
struct Rendered {
  ByteView exchange;
  ByteView routing_key;
  ByteView properties;
  Slice body;

  std::string kept_properties;
  std::string kept_key;
  model::Message kept_message;
};

// What a consumer is told in headers besides what the message carries.
struct Additions {
  bool stream_offset = false;
  std::uint32_t failure_count = 0;   // of the deliveries before; 0: not told
  std::uint32_t acquired_count = 0;  // the deliveries before; 0: not told
};

// `topic` names the log or queue that the record was read from. Properties that would not fit into
// `properties_size_max` lose their headers table, and say so in the header trivium.headers-omitted.
void render(const broker::Broker& broker, std::string_view topic, const model::StoredRecord& record,
            const Additions& additions, std::size_t properties_size_max, Rendered& out);

// The neutral form as properties, routing key and exchange. Views point into `message` or `out`.
void message_to_amqp(const model::Message& message, std::string_view topic, Rendered& out);

// A header's value as the router compares it.
model::HeaderValue header_value(const wire::Value& value);

// What a message says of itself, for routing by it. The properties' bytes outlive it.
class PropertyLookup final : public model::HeaderLookup {
 public:
  explicit PropertyLookup(const wire::Properties& properties) : properties_(properties) {}
  bool find(std::string_view name, model::HeaderValue& value) const override;
  bool find_property(std::string_view name, model::HeaderValue& value) const override;
  // The header x-delay. Numbers of all kinds count, and text that is one.
  std::int64_t delay_ms() const override;

 private:
  wire::Properties properties_;
};

class AmqpCodec final : public broker::MessageCodec {
 public:
  model::Message to_message(const model::StoredRecord& record) const override;
  Envelope dead_letter(const model::StoredRecord& record, const model::Message& message,
                       const broker::Death& death) const override;
  std::int64_t time_to_live(const model::StoredRecord& record) const override;
  std::uint8_t priority(const model::StoredRecord& record) const override;
  std::unique_ptr<model::HeaderLookup> header_lookup(ByteView envelope) const override;
  std::string after_delay(ByteView envelope) const override;
};

// The `expiration` property: decimal milliseconds. Nothing when it is not a number that fits.
std::optional<std::int64_t> parse_expiration(ByteView text);

}  // namespace trv::amqp
