#include "amqp/management/json_table.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <limits>
#include <memory>

#include "amqp/text.h"
#include "amqp/wire/table.h"
#include "base/base64.h"

namespace trv::amqp {

namespace {

namespace json = boost::json;

json::value value_to_json(const wire::Value& value);

json::array array_to_json(ByteView bytes) {
  json::array array;
  wire::ArrayReader reader(bytes);
  for (wire::Value value; reader.next(value);) array.push_back(value_to_json(value));
  return array;
}

json::value value_to_json(const wire::Value& value) {
  if (value.type == 'F') return table_to_json(value.raw);
  if (value.type == 'A') return array_to_json(value.raw);
  if (value.type == 'V') return nullptr;
  if (const auto text = value.text()) return text_to_json(*text);
  if (const auto flag = value.boolean()) return *flag;
  if (const auto real = value.real()) {
    if (std::isfinite(*real)) return *real;
    return text_to_json(value_text(value));
  }
  if (value.type == 'T') return load_be<std::uint64_t>(value.raw.data());
  if (const auto number = value.integer()) return *number;
  return text_to_json(value_text(value));  // decimals
}

Error invalid(std::string what) { return {Errc::invalid_argument, std::move(what)}; }

class TableBuilder {
 public:
  Result<std::string> table(const json::object& object, int depth) {
    if (depth > wire::table_depth_max) return invalid("arguments are nested too deep");
    std::string out;
    wire::TableWriter fields(out);
    for (const auto& [name, value] : object) {
      if (name.size() > 255) return invalid("a name in arguments is too long");
      std::string kept;
      auto field = value_of(value, depth, kept);
      if (!field) return field.error();
      fields.add(ByteView(name.data(), name.size()), *field);
    }
    return out;
  }

 private:
  // The result's bytes are in `kept`, or in the JSON value.
  Result<wire::Value> value_of(const json::value& value, int depth, std::string& kept) {
    ByteWriter w(kept);
    switch (value.kind()) {
      case json::kind::null:
        return wire::Value{'V', {}};
      case json::kind::bool_:
        w.u8(value.get_bool() ? 1 : 0);
        return wire::Value{'t', kept};
      case json::kind::int64:
        w.u64(static_cast<std::uint64_t>(value.get_int64()));
        return wire::Value{'l', kept};
      case json::kind::uint64:
        return invalid("a number in arguments is too large");
      case json::kind::double_:
        w.u64(std::bit_cast<std::uint64_t>(value.get_double()));
        return wire::Value{'d', kept};
      case json::kind::string:
        return wire::Value{'S', ByteView(value.get_string().data(), value.get_string().size())};
      case json::kind::object: {
        auto inner = table(value.get_object(), depth + 1);
        if (!inner) return inner.error();
        kept = std::move(*inner);
        return wire::Value{'F', kept};
      }
      case json::kind::array:
        return array(value.get_array(), depth + 1, kept);
    }
    return invalid("unknown value in arguments");
  }

  Result<wire::Value> array(const json::array& values, int depth, std::string& kept) {
    if (depth > wire::table_depth_max) return invalid("arguments are nested too deep");
    std::string out;
    ByteWriter w(out);
    for (const json::value& one : values) {
      std::string inner;
      auto value = value_of(one, depth, inner);
      if (!value) return value.error();
      wire::write_value(w, *value);
    }
    kept = std::move(out);
    return wire::Value{'A', kept};
  }
};

struct TextProperty {
  const char* name;
  wire::Property property;
  ByteView wire::Properties::*member;
};
constexpr TextProperty text_properties[] = {
    {"content_type", wire::Property::content_type, &wire::Properties::content_type},
    {"content_encoding", wire::Property::content_encoding, &wire::Properties::content_encoding},
    {"correlation_id", wire::Property::correlation_id, &wire::Properties::correlation_id},
    {"reply_to", wire::Property::reply_to, &wire::Properties::reply_to},
    {"expiration", wire::Property::expiration, &wire::Properties::expiration},
    {"message_id", wire::Property::message_id, &wire::Properties::message_id},
    {"type", wire::Property::type, &wire::Properties::type},
    {"user_id", wire::Property::user_id, &wire::Properties::user_id},
    {"app_id", wire::Property::app_id, &wire::Properties::app_id},
    {"cluster_id", wire::Property::cluster_id, &wire::Properties::cluster_id},
};

// A number property; false when the value is none, or out of its range.
bool read_number(const json::value& value, std::uint64_t max, std::uint64_t& out) {
  if (!value.is_int64() || value.get_int64() < 0) return false;
  out = static_cast<std::uint64_t>(value.get_int64());
  return out <= max;
}

bool read_numbers(std::string_view name, const json::value& value, wire::Properties& p) {
  std::uint64_t number = 0;
  if (name == "timestamp") {
    if (!read_number(value, std::numeric_limits<std::uint64_t>::max(), number)) return false;
    p.timestamp = number;
    p.set(wire::Property::timestamp);
  } else if (name == "delivery_mode") {
    if (!read_number(value, 255, number)) return false;
    p.delivery_mode = static_cast<std::uint8_t>(number);
    p.set(wire::Property::delivery_mode);
  } else if (name == "priority") {
    if (!read_number(value, 255, number)) return false;
    p.priority = static_cast<std::uint8_t>(number);
    p.set(wire::Property::priority);
  } else {
    return false;
  }
  return true;
}

}  // namespace

json::string text_to_json(ByteView text) {
  if (is_utf8(text)) return json::string(text);
  return json::string(base64_encode(text));
}

json::object table_to_json(ByteView table) {
  json::object object;
  wire::TableReader reader(table);
  for (wire::Field field; reader.next(field);) {
    object[text_to_json(field.name)] = value_to_json(field.value);
  }
  return object;
}

Result<std::string> table_from_json(const json::object& object) {
  return TableBuilder().table(object, 1);
}

json::object properties_to_json(const wire::Properties& p) {
  json::object object;
  for (const TextProperty& text : text_properties) {
    if (p.has(text.property)) object[text.name] = text_to_json(p.*text.member);
  }
  if (p.has(wire::Property::timestamp)) object["timestamp"] = p.timestamp;
  if (p.has(wire::Property::delivery_mode)) object["delivery_mode"] = p.delivery_mode;
  if (p.has(wire::Property::priority)) object["priority"] = p.priority;
  if (p.has(wire::Property::headers)) object["headers"] = table_to_json(p.headers);
  return object;
}

Result<std::string> properties_from_json(const json::object& object) {
  wire::Properties p;
  std::string headers;
  for (const auto& [key, value] : object) {
    const std::string_view name(key.data(), key.size());
    const TextProperty* text = nullptr;
    for (const TextProperty& one : text_properties) {
      if (one.name == name) text = &one;
    }
    bool taken = false;
    if (text && value.is_string() && value.get_string().size() <= 255) {
      p.*(text->member) = ByteView(value.get_string().data(), value.get_string().size());
      p.set(text->property);
      taken = true;
    } else if (name == "headers" && value.is_object()) {
      auto table = table_from_json(value.get_object());
      if (!table) return table.error();
      headers = std::move(*table);
      p.set(wire::Property::headers);
      taken = true;
    } else if (!text) {
      taken = read_numbers(name, value, p);
    }
    if (!taken) return invalid("unknown or malformed property '" + std::string(name) + "'");
  }
  p.headers = headers;
  std::string out;
  ByteWriter w(out);
  wire::encode_properties(w, p);
  return out;
}

}  // namespace trv::amqp
