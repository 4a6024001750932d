#include "amqp/text.h"

#include <cstdio>

namespace trv::amqp {

namespace {

// The length of the well-formed UTF-8 sequence at the start of `bytes`; 0 when there is none.
std::size_t sequence_size(ByteView bytes) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const auto follows = [&](std::size_t i, std::uint8_t low, std::uint8_t high) {
    return i < bytes.size() && octet(i) >= low && octet(i) <= high;
  };
  const std::uint8_t first = octet(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    // No over-long forms, no surrogates.
    const std::uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
    const std::uint8_t high = first == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const std::uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

void append_json_text(std::string& out, ByteView text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t size = sequence_size(text);
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

bool is_utf8(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t size = sequence_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string value_text(const wire::Value& value) {
  if (value.type == 'D') return decimal_text(value);
  if (value.type != 'F' && value.type != 'A') return wire::to_text(value);
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace trv::amqp
