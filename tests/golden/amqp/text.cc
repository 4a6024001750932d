#include "text.h"

#include <charconv>
#include <stdexcept>

#include "amqp/wire/methods.gen.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"

namespace trv::amqp::golden {

using namespace wire;

namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view text) {
  throw std::runtime_error(std::string(what) + " at '" + std::string(text) + "'");
}

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  std::string_view rest() const { return text_; }
  void spaces() {
    while (!text_.empty() && text_[0] == ' ') text_.remove_prefix(1);
  }
  bool done() {
    spaces();
    return text_.empty();
  }
  bool take(char c) {
    spaces();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse(std::string("expected ") + c, text_);
  }
  char next() {
    if (text_.empty()) refuse("unexpected end", text_);
    const char c = text_[0];
    text_.remove_prefix(1);
    return c;
  }
  std::string_view word(std::string_view stops) {
    spaces();
    const std::size_t size = std::min(text_.find_first_of(stops), text_.size());
    const std::string_view found = text_.substr(0, size);
    text_.remove_prefix(size);
    return found;
  }
  std::string quoted() {
    expect('"');
    std::string out;
    for (char c = next(); c != '"'; c = next()) {
      if (c != '\\') {
        out += c;
        continue;
      }
      c = next();
      if (c == 'x') {
        const char digits[2] = {next(), next()};
        unsigned value = 0;
        std::from_chars(digits, digits + 2, value, 16);
        out += static_cast<char>(value);
      } else {
        out += c == 'n' ? '\n' : c;
      }
    }
    return out;
  }
  std::int64_t number() {
    spaces();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc()) refuse("expected a number", text_);
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return value;
  }

 private:
  std::string_view text_;
};

std::string parse_table(Cursor& at);

void parse_value(Cursor& at, std::string& out) {
  ByteWriter w(out);
  at.spaces();
  const char type = at.next();
  w.u8(static_cast<std::uint8_t>(type));
  switch (type) {
    case 'V':
      return;
    case 't':
    case 'b':
    case 'B':
      w.u8(static_cast<std::uint8_t>(at.number()));
      return;
    case 's':
    case 'u':
      w.u16(static_cast<std::uint16_t>(at.number()));
      return;
    case 'I':
    case 'i':
      w.u32(static_cast<std::uint32_t>(at.number()));
      return;
    case 'l':
    case 'L':
    case 'T':
      w.u64(static_cast<std::uint64_t>(at.number()));
      return;
    case 'S':
    case 'x':
      write_long_string(w, at.quoted());
      return;
    case 'F':
      write_long_string(w, parse_table(at));
      return;
    case 'A': {
      std::string array;
      at.expect('[');
      while (!at.take(']')) {
        parse_value(at, array);
        at.take(',');
      }
      write_long_string(w, array);
      return;
    }
    default:
      refuse("unknown value type", std::string(1, type));
  }
}

std::string parse_table(Cursor& at) {
  std::string out;
  at.expect('{');
  while (!at.take('}')) {
    ByteWriter w(out);
    write_short_string(w, at.word(":"));
    at.expect(':');
    parse_value(at, out);
    at.take(',');
  }
  return out;
}

std::string print_table(std::string_view bytes);

std::string print_value(const Value& value) {
  const std::string type(1, value.type);
  if (value.type == 'V') return type;
  if (value.type == 'F') return type + print_table(value.raw);
  // Times of the test run mean nothing.
  if (value.type == 'T') return type + (*value.integer() > 1'000'000'000 ? "*" : to_text(value));
  if (const auto flag = value.boolean()) return type + (*flag ? "1" : "0");
  if (const auto text = value.text()) return type + print_string(*text);
  if (value.type != 'A') return type + to_text(value);
  std::string out = "A[";
  ArrayReader reader(value.raw);
  bool first = true;
  for (Value element; reader.next(element); first = false) {
    out += (first ? "" : ",") + print_value(element);
  }
  return out + "]";
}

std::string print_table(std::string_view bytes) {
  std::string out = "{";
  TableReader reader(bytes);
  bool first = true;
  for (Field field; reader.next(field); first = false) {
    out += (first ? "" : ", ") + std::string(field.name) + ":" + print_value(field.value);
  }
  return out + (reader.ok() ? "}" : " MALFORMED}");
}

// Names that the broker makes up are shown by their prefix.
std::string mask(std::string text) {
  for (const std::string_view prefix : {"amq.gen-", "amq.ctag-"}) {
    for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
      if (text.size() >= at + prefix.size() + 22) text.replace(at + prefix.size(), 22, "*");
    }
  }
  // Addresses of replies are of any length, and are shown between quotes.
  constexpr std::string_view reply_prefix = "amq.rabbitmq.reply-to.";
  for (auto at = text.find(reply_prefix); at != std::string::npos;
       at = text.find(reply_prefix, at + 1)) {
    const std::size_t random = at + reply_prefix.size();
    text.replace(random, std::min(text.find_first_of("\"'", random), text.size()) - random, "*");
  }
  return text;
}

struct Given {
  std::string_view name;
  std::string value;  // as in the text
};

// Splits `a=1 b="x y" c={..}`; values keep their text.
std::vector<Given> parse_fields(Cursor& at) {
  std::vector<Given> fields;
  while (!at.done()) {
    const std::string_view name = at.word("= ");
    at.expect('=');
    const std::string_view start = at.rest();
    if (start.starts_with('"')) {
      at.quoted();
    } else if (start.starts_with('{')) {
      parse_table(at);
    } else {
      at.word(" ");
    }
    const auto size = static_cast<std::size_t>(at.rest().data() - start.data());
    fields.push_back({name, std::string(start.substr(0, size))});
  }
  return fields;
}

std::int64_t as_number(const std::string& text) {
  if (text.empty() || text == "false") return 0;
  if (text == "true") return 1;
  return Cursor(text).number();
}

}  // namespace

std::string parse_string(std::string_view text) { return Cursor(text).quoted(); }

std::string print_string(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet >= 0x7f) {
      out += "\\x";
      out += digits[octet >> 4];
      out += digits[octet & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string parse_hex(std::string_view text) {
  std::string out;
  for (Cursor at(text); !at.done();) {
    const std::string_view word = at.word(" ");
    unsigned value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value, 16);
    out += static_cast<char>(value);
  }
  return out;
}

std::string parse_method(std::string_view text) {
  Cursor at(text);
  const std::string_view name = at.word(" ");
  const MethodRow* row = nullptr;
  for (const MethodRow& candidate : method_rows()) {
    if (candidate.name == name) row = &candidate;
  }
  if (!row) refuse("no such method", name);
  std::vector<Given> given = parse_fields(at);
  const auto value_of = [&](std::string_view field) {
    for (Given& g : given) {
      if (g.name == field) return std::exchange(g.value, "");
    }
    return std::string();
  };
  std::string out;
  ByteWriter w(out);
  w.u32(static_cast<std::uint32_t>(row->id));
  int bit = 0;
  for (const FieldRow& field : row->fields) {
    const std::string value = field.name == std::string_view("_") ? "" : value_of(field.name);
    if (field.type == FieldType::bit_t) {
      if (bit % 8 == 0) w.u8(0);
      if (as_number(value) != 0) out.back() = static_cast<char>(out.back() | (1 << (bit % 8)));
      ++bit;
      continue;
    }
    bit = 0;
    switch (field.type) {
      case FieldType::octet_t:
        w.u8(static_cast<std::uint8_t>(as_number(value)));
        break;
      case FieldType::short_t:
        w.u16(static_cast<std::uint16_t>(as_number(value)));
        break;
      case FieldType::long_t:
        w.u32(static_cast<std::uint32_t>(as_number(value)));
        break;
      case FieldType::longlong_t:
        w.u64(static_cast<std::uint64_t>(as_number(value)));
        break;
      case FieldType::shortstr_t:
        write_short_string(w, value.empty() ? "" : parse_string(value));
        break;
      case FieldType::longstr_t:
        write_long_string(w, value.empty() ? "" : parse_string(value));
        break;
      case FieldType::table_t: {
        Cursor table(value);
        write_long_string(w, value.empty() ? "" : parse_table(table));
        break;
      }
      case FieldType::bit_t:
        break;
    }
  }
  for (const Given& g : given) {
    if (!g.value.empty()) refuse("no such field", g.name);
  }
  return out;
}

std::string print_method(std::string_view payload) {
  ByteReader r(payload);
  const auto id = static_cast<MethodId>(r.u32());
  const MethodRow* row = find_method(id);
  if (!row) return "unknown method " + std::to_string(static_cast<std::uint32_t>(id));
  std::string out = row->name;
  int bit = 0;
  std::uint8_t bits = 0;
  for (const FieldRow& field : row->fields) {
    std::string value;
    if (field.type == FieldType::bit_t) {
      if (bit % 8 == 0) bits = r.u8();
      if ((bits >> (bit++ % 8) & 1) != 0) value = "true";
    } else {
      bit = 0;
      const auto number = [&](std::uint64_t n) { value = n == 0 ? "" : std::to_string(n); };
      const auto text = [&](std::string_view s) { value = s.empty() ? "" : print_string(s); };
      switch (field.type) {
        case FieldType::octet_t:
          number(r.u8());
          break;
        case FieldType::short_t:
          number(r.u16());
          break;
        case FieldType::long_t:
          number(r.u32());
          break;
        case FieldType::longlong_t:
          number(r.u64());
          break;
        case FieldType::shortstr_t:
          text(read_short_string(r));
          break;
        case FieldType::longstr_t:
          text(read_long_string(r));
          break;
        case FieldType::table_t: {
          const ByteView table = read_table(r);
          if (!table.empty()) value = print_table(table);
          break;
        }
        case FieldType::bit_t:
          break;
      }
    }
    if (!value.empty()) out += std::string(" ") + field.name + "=" + value;
  }
  if (!r.done()) out += " MALFORMED";
  return mask(out);
}

namespace {
struct TextProperty {
  const char* name;
  Property property;
  ByteView Properties::*member;
};
constexpr TextProperty text_properties[] = {
    {"content_type", Property::content_type, &Properties::content_type},
    {"content_encoding", Property::content_encoding, &Properties::content_encoding},
    {"correlation_id", Property::correlation_id, &Properties::correlation_id},
    {"reply_to", Property::reply_to, &Properties::reply_to},
    {"expiration", Property::expiration, &Properties::expiration},
    {"message_id", Property::message_id, &Properties::message_id},
    {"type", Property::type, &Properties::type},
    {"user_id", Property::user_id, &Properties::user_id},
    {"app_id", Property::app_id, &Properties::app_id},
    {"cluster_id", Property::cluster_id, &Properties::cluster_id},
};
}  // namespace

std::string parse_properties_text(std::string_view text) {
  Cursor at(text);
  const std::vector<Given> fields = parse_fields(at);
  Properties p;
  std::vector<std::string> kept;
  kept.reserve(fields.size());
  for (const Given& field : fields) {
    Cursor value(field.value);
    if (field.name == "headers") {
      kept.push_back(parse_table(value));
      p.headers = kept.back();
      p.set(Property::headers);
    } else if (field.name == "delivery_mode") {
      p.delivery_mode = static_cast<std::uint8_t>(value.number());
      p.set(Property::delivery_mode);
    } else if (field.name == "priority") {
      p.priority = static_cast<std::uint8_t>(value.number());
      p.set(Property::priority);
    } else if (field.name == "timestamp") {
      p.timestamp = static_cast<std::uint64_t>(value.number());
      p.set(Property::timestamp);
    } else {
      bool known = false;
      for (const TextProperty& row : text_properties) {
        if (row.name != field.name) continue;
        kept.push_back(value.quoted());
        p.*row.member = kept.back();
        p.set(row.property);
        known = true;
      }
      if (!known) refuse("no such property", field.name);
    }
  }
  std::string out;
  ByteWriter w(out);
  encode_properties(w, p);
  return out;
}

std::string print_properties(std::string_view bytes) {
  Properties p;
  if (!parse_properties(bytes, p)) return " MALFORMED";
  std::string out;
  if (p.has(Property::headers)) out += " headers=" + print_table(p.headers);
  if (p.has(Property::delivery_mode)) out += " delivery_mode=" + std::to_string(p.delivery_mode);
  if (p.has(Property::priority)) out += " priority=" + std::to_string(p.priority);
  if (p.has(Property::timestamp)) out += " timestamp=" + std::to_string(p.timestamp);
  for (const TextProperty& row : text_properties) {
    if (p.has(row.property)) out += std::string(" ") + row.name + "=" + print_string(p.*row.member);
  }
  return mask(out);
}

}  // namespace trv::amqp::golden
