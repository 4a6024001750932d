#include "amqp/wire/table.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::amqp::wire {

namespace {

// Size of a value whose octet fixes it; -1 when the value carries its own size, -2 when unknown.
int fixed_size(char type) {
  switch (type) {
    case 'V':
      return 0;
    case 't':
    case 'b':
    case 'B':
      return 1;
    case 's':
    case 'u':
      return 2;
    case 'I':
    case 'i':
    case 'f':
      return 4;
    case 'D':
      return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
      return 8;
    case 'S':
    case 'x':
    case 'A':
    case 'F':
      return -1;
    default:
      return -2;
  }
}

bool read_value(ByteReader& r, Value& value) {
  value.type = static_cast<char>(r.u8());
  const int size = fixed_size(value.type);
  if (size == -2) r.fail();
  value.raw = size >= 0 ? r.bytes(static_cast<std::size_t>(size)) : read_long_string(r);
  return r.ok();
}

bool well_formed(ByteView bytes, bool is_table, int depth);

bool well_formed_value(const Value& value, int depth) {
  if (value.type != 'A' && value.type != 'F') return true;
  return (depth < table_depth_max || TRV_MUTANT(table_nesting_unchecked)) &&
         well_formed(value.raw, value.type == 'F', depth + 1);
}

bool well_formed(ByteView bytes, bool is_table, int depth) {
  ByteReader r(bytes);
  while (r.remaining() > 0) {
    if (is_table) read_short_string(r);
    Value value;
    if (!read_value(r, value) || !well_formed_value(value, depth)) return false;
  }
  return r.ok();
}

}  // namespace

ByteView read_short_string(ByteReader& r) { return r.bytes(r.u8()); }
ByteView read_long_string(ByteReader& r) { return r.bytes(r.u32()); }

ByteView read_table(ByteReader& r) {
  const ByteView table = read_long_string(r);
  if (!well_formed_table(table)) r.fail();
  return table;
}

void write_short_string(ByteWriter& w, ByteView text) {
  TRV_ASSERT(text.size() <= 255);
  w.u8(static_cast<std::uint8_t>(text.size()));
  w.bytes(text);
}

void write_long_string(ByteWriter& w, ByteView text) {
  TRV_ASSERT(text.size() <= 0xffffffffu);
  w.u32(static_cast<std::uint32_t>(text.size()));
  w.bytes(text);
}

std::optional<std::int64_t> Value::integer() const {
  ByteReader r(raw);
  switch (type) {
    case 'b':
      return r.i8();
    case 'B':
      return r.u8();
    case 's':
      return r.i16();
    case 'u':
      return r.u16();
    case 'I':
      return r.i32();
    case 'i':
      return r.u32();
    case 'l':
    case 'L':
    case 'T':
      return r.i64();
    default:
      return std::nullopt;
  }
}

std::optional<bool> Value::boolean() const {
  if (type != 't') return std::nullopt;
  return raw[0] != 0;
}

std::optional<double> Value::real() const {
  ByteReader r(raw);
  if (type == 'f') return std::bit_cast<float>(r.u32());
  if (type == 'd') return std::bit_cast<double>(r.u64());
  return std::nullopt;
}

std::optional<ByteView> Value::text() const {
  if (type != 'S' && type != 'x') return std::nullopt;
  return raw;
}

const char* type_name(char type) {
  switch (type) {
    case 't':
      return "bool";
    case 'b':
      return "byte";
    case 'B':
      return "unsignedbyte";
    case 's':
      return "short";
    case 'u':
      return "unsignedshort";
    case 'I':
      return "signedint";
    case 'i':
      return "unsignedint";
    case 'l':
    case 'L':
      return "long";
    case 'f':
      return "float";
    case 'd':
      return "double";
    case 'D':
      return "decimal";
    case 'S':
      return "longstr";
    case 'x':
      return "binary";
    case 'T':
      return "timestamp";
    case 'A':
      return "array";
    case 'F':
      return "table";
    default:
      return "void";
  }
}

std::string to_text(const Value& value) {
  if (const auto number = value.integer()) return std::to_string(*number);
  if (const auto flag = value.boolean()) return *flag ? "true" : "false";
  if (const auto text = value.text()) return std::string(*text);
  if (const auto real = value.real()) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, *real).ptr;
    return {buffer, end};
  }
  if (value.type == 'D') {
    ByteReader r(value.raw);
    const int scale = r.u8();
    return std::to_string(r.u32()) + "e-" + std::to_string(scale);
  }
  return type_name(value.type);
}

bool TableReader::next(Field& field) {
  if (reader_.remaining() == 0) return false;
  field.name = read_short_string(reader_);
  return read_value(reader_, field.value);
}

bool ArrayReader::next(Value& value) {
  return reader_.remaining() > 0 && read_value(reader_, value);
}

bool well_formed_table(ByteView table) { return well_formed(table, true, 1); }

std::optional<Value> find_field(ByteView table, ByteView name) {
  TableReader reader(table);
  Field field;
  while (reader.next(field)) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

std::string sorted_table(ByteView table) {
  std::vector<Field> fields;
  TableReader reader(table);
  for (Field field; reader.next(field);) fields.push_back(field);
  std::stable_sort(fields.begin(), fields.end(),
                   [](const Field& a, const Field& b) { return a.name < b.name; });
  std::string out;
  TableWriter writer(out);
  for (const Field& field : fields) writer.add(field.name, field.value);
  return out;
}

void write_value(ByteWriter& w, const Value& value) {
  w.u8(static_cast<std::uint8_t>(value.type));
  if (fixed_size(value.type) >= 0) {
    w.bytes(value.raw);
  } else {
    write_long_string(w, value.raw);
  }
}

void TableWriter::head(ByteView name, char type) {
  write_short_string(w_, name);
  w_.u8(static_cast<std::uint8_t>(type));
}
void TableWriter::add(ByteView name, const Value& value) {
  write_short_string(w_, name);
  write_value(w_, value);
}
void TableWriter::add_text(ByteView name, ByteView text) {
  head(name, 'S');
  write_long_string(w_, text);
}
void TableWriter::add_bool(ByteView name, bool value) {
  head(name, 't');
  w_.u8(value ? 1 : 0);
}
void TableWriter::add_i32(ByteView name, std::int32_t value) {
  head(name, 'I');
  w_.i32(value);
}
void TableWriter::add_i64(ByteView name, std::int64_t value) {
  head(name, 'l');
  w_.i64(value);
}
void TableWriter::add_timestamp(ByteView name, std::uint64_t seconds) {
  head(name, 'T');
  w_.u64(seconds);
}
void TableWriter::add_table(ByteView name, ByteView table) {
  head(name, 'F');
  write_long_string(w_, table);
}
void TableWriter::add_array(ByteView name, ByteView array) {
  head(name, 'A');
  write_long_string(w_, array);
}

}  // namespace trv::amqp::wire
