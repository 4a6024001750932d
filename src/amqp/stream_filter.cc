#include "amqp/stream_filter.h"

#include <algorithm>

#include "amqp/envelope.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"
#include "base/assert.h"
#include "base/mutant.h"

namespace trv::amqp {

namespace {

constexpr std::string_view value_header = "x-stream-filter-value";

// Of a message as it came over this protocol: read in place, as most that are read are not wanted.
std::optional<ByteView> own_value(const model::StoredRecord& record) {
  Envelope envelope;
  wire::Properties properties;
  TRV_ASSERT(parse_envelope(record.envelope, envelope));
  if (!wire::parse_properties(envelope.properties, properties)) return std::nullopt;
  if (!properties.has(wire::Property::headers)) return std::nullopt;
  const auto value = wire::find_field(properties.headers, value_header);
  if (!value || value->type != 'S') return std::nullopt;
  return value->raw;
}

// What other protocols write may have a header of that name (docs/view-contract.md).
std::optional<std::string> foreign_value(const broker::Broker& broker,
                                         const model::StoredRecord& record) {
  const model::Message message = broker.message_of(record);
  for (const model::Header& header : message.headers) {
    if (header.name == value_header && header.value) return std::string(*header.value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<StreamFilter> StreamFilter::parse(ByteView arguments) {
  const auto wanted = wire::find_field(arguments, "x-stream-filter");
  if (!wanted || (wanted->type != 'S' && wanted->type != 'A')) return std::nullopt;
  StreamFilter filter;
  if (wanted->type == 'S') {
    filter.values.emplace_back(wanted->raw);
  } else {
    wire::ArrayReader reader(wanted->raw);
    for (wire::Value value; reader.next(value);) {
      if (value.type == 'S') filter.values.emplace_back(value.raw);
    }
    std::sort(filter.values.begin(), filter.values.end());
  }
  const auto unfiltered = wire::find_field(arguments, "x-stream-match-unfiltered");
  filter.unfiltered_too = unfiltered && unfiltered->boolean().value_or(false);
  return filter;
}

bool StreamFilter::matches(const broker::Broker& broker, const model::StoredRecord& record) const {
  const auto wanted = [this](ByteView value) {
    return std::binary_search(values.begin(), values.end(), value) ||
           TRV_MUTANT(stream_filter_ignored);
  };
  if (record.origin == model::Origin::message) {
    const auto value = own_value(record);
    return value ? wanted(*value) : unfiltered_too;
  }
  const auto value = foreign_value(broker, record);
  return value ? wanted(*value) : unfiltered_too;
}

}  // namespace trv::amqp
