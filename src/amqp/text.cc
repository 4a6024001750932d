#include "amqp/text.h"

#include <cstdio>

#include "base/utf8.h"

namespace trv::amqp {

namespace {

void append_json_text(std::string& out, ByteView text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      out += "\xef\xbf\xbd";
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += text[0];
    } else if (first < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", first);
      out += escape;
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

void append_json(std::string& out, const wire::Value& value) {
  if (value.type == 'F') {
    out += '{';
    wire::TableReader reader(value.raw);
    bool first = true;
    for (wire::Field field; reader.next(field); first = false) {
      if (!first) out += ',';
      append_json_text(out, field.name);
      out += ':';
      append_json(out, field.value);
    }
    out += '}';
  } else if (value.type == 'A') {
    out += '[';
    wire::ArrayReader reader(value.raw);
    bool first = true;
    for (wire::Value element; reader.next(element); first = false) {
      if (!first) out += ',';
      append_json(out, element);
    }
    out += ']';
  } else if (value.type == 'V') {
    out += "null";
  } else if (const auto text = value.text()) {
    append_json_text(out, *text);
  } else {
    out += wire::to_text(value);
  }
}

// value / 10^scale, without leaving decimal.
std::string decimal_text(const wire::Value& value) {
  ByteReader r(value.raw);
  const std::size_t scale = r.u8();
  std::string digits = std::to_string(r.i32());
  const bool negative = digits[0] == '-';
  if (negative) digits.erase(0, 1);
  if (scale > 0) {
    if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
    digits.insert(digits.size() - scale, ".");
  }
  return negative ? "-" + digits : digits;
}

}  // namespace

bool is_utf8(ByteView bytes) { return is_valid_utf8(bytes); }

std::string value_text(const wire::Value& value) {
  if (value.type == 'D') return decimal_text(value);
  if (value.type != 'F' && value.type != 'A') return wire::to_text(value);
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace trv::amqp
