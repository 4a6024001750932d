// The neutral form as an AMQP message (docs/view-contract.md, "Neutral -> AMQP message").
#include <charconv>
#include <unordered_map>
#include <vector>

#include "amqp/convert.h"
#include "amqp/text.h"
#include "amqp/wire/properties.h"
#include "base/scoped_name.h"

namespace trv::amqp {

using wire::Properties;
using wire::Property;

namespace {

constexpr std::string_view reserved_prefix = "amqp.";

std::optional<std::uint64_t> number_of(ByteView text, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

// Takes a header `amqp.<property>` as that property. False when it is not one, or does not parse.
bool take_property(std::string_view name, ByteView value, Properties& p) {
  struct Text {
    std::string_view name;
    Property property;
    ByteView Properties::*member;
  };
  static constexpr Text texts[] = {
      {"content-type", Property::content_type, &Properties::content_type},
      {"content-encoding", Property::content_encoding, &Properties::content_encoding},
      {"correlation-id", Property::correlation_id, &Properties::correlation_id},
      {"reply-to", Property::reply_to, &Properties::reply_to},
      {"message-id", Property::message_id, &Properties::message_id},
      {"type", Property::type, &Properties::type},
      {"user-id", Property::user_id, &Properties::user_id},
      {"app-id", Property::app_id, &Properties::app_id},
      {"cluster-id", Property::cluster_id, &Properties::cluster_id},
      {"expiration", Property::expiration, &Properties::expiration},
  };
  for (const Text& text : texts) {
    if (text.name != name) continue;
    if (value.size() > 255 || p.has(text.property)) return false;
    if (text.property == Property::expiration && !parse_expiration(value)) return false;
    p.*text.member = value;
    p.set(text.property);
    return true;
  }
  const auto number = [&](Property property, std::uint64_t max) {
    return p.has(property) ? std::nullopt : number_of(value, max);
  };
  if (name == "delivery-mode") {
    const auto mode = number(Property::delivery_mode, 255);
    if (!mode) return false;
    p.delivery_mode = static_cast<std::uint8_t>(*mode);
    p.set(Property::delivery_mode);
    return true;
  }
  if (name == "priority") {
    const auto priority = number(Property::priority, 255);
    if (!priority) return false;
    p.priority = static_cast<std::uint8_t>(*priority);
    p.set(Property::priority);
    return true;
  }
  if (name == "timestamp") {
    const auto seconds = number(Property::timestamp, ~std::uint64_t{0});
    if (!seconds) return false;
    p.timestamp = *seconds;
    p.set(Property::timestamp);
    return true;
  }
  return false;
}

wire::Value value_of(const std::optional<ByteView>& bytes) {
  if (!bytes) return {'V', {}};
  return {is_utf8(*bytes) ? 'S' : 'x', *bytes};
}

// Writes headers in order; a name that repeats becomes an array in the place of the first.
class HeaderTable {
 public:
  void add(std::string_view name, const std::optional<ByteView>& value) {
    if (name.size() > 255) {
      std::string entry;
      wire::TableWriter fields(entry);
      fields.add("name", value_of(name));
      fields.add("value", value_of(value));
      ByteWriter w(long_named_);
      wire::write_value(w, {'F', entry});
      return;
    }
    const auto [found, fresh] = place_.try_emplace(name, groups_.size());
    if (fresh) groups_.push_back({name, {}});
    groups_[found->second].values.push_back(value_of(value));
  }

  std::string take() {
    std::string out;
    wire::TableWriter fields(out);
    for (const Group& group : groups_) {
      if (group.values.size() == 1) {
        fields.add(group.name, group.values.front());
        continue;
      }
      std::string array;
      ByteWriter w(array);
      for (const wire::Value& value : group.values) wire::write_value(w, value);
      fields.add_array(group.name, array);
    }
    if (!long_named_.empty()) fields.add_array("trivium.headers", long_named_);
    return out;
  }

 private:
  struct Group {
    std::string_view name;
    std::vector<wire::Value> values;
  };
  std::vector<Group> groups_;
  std::unordered_map<std::string_view, std::size_t> place_;
  std::string long_named_;
};

}  // namespace

void message_to_amqp(const model::Message& message, std::string_view topic, Rendered& out) {
  Properties p;
  HeaderTable table;
  out.exchange = {};
  bool exchange_given = false;
  for (const model::Header& header : message.headers) {
    if (header.value && header.name.starts_with(reserved_prefix)) {
      const std::string_view name = header.name.substr(reserved_prefix.size());
      if (name == "exchange" && header.value->size() <= 255 && !exchange_given) {
        out.exchange = *header.value;
        exchange_given = true;
        continue;
      }
      if (take_property(name, *header.value, p)) continue;
    }
    table.add(header.name, header.value);
  }
  std::string headers = table.take();
  wire::TableWriter fields(headers);
  out.kept_key = std::string(local_name(topic).substr(0, 255));
  if (!message.key) {
    fields.add_bool("trivium.null-key", true);
  } else if (message.key->size() <= 255 && is_utf8(*message.key)) {
    out.kept_key = *message.key;
  } else {
    fields.add("trivium.key", {'x', *message.key});
  }
  out.routing_key = out.kept_key;
  if (!message.value) fields.add_bool("trivium.null-value", true);
  if (!p.has(Property::timestamp)) {
    p.timestamp = static_cast<std::uint64_t>(message.timestamp_ms / 1000);
    p.set(Property::timestamp);
    fields.add_i64("trivium.timestamp-ms", message.timestamp_ms);
  }
  if (!p.has(Property::delivery_mode)) {
    p.delivery_mode = 2;
    p.set(Property::delivery_mode);
  }
  p.headers = headers;
  p.set(Property::headers, !headers.empty());
  out.kept_properties.clear();
  ByteWriter w(out.kept_properties);
  wire::encode_properties(w, p);
  out.properties = out.kept_properties;
}

}  // namespace trv::amqp
