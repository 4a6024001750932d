// Strings and field tables of AMQP 0-9-1, with the type octets that RabbitMQ and its clients use
// (not those of the printed 0-9-1 document).
//
//   table := size u32, { name shortstr, type octet, value }*       array := size u32, { type, value
//   }*
//
//   t bool   b i8   B u8   s i16   u u16   I i32   i u32   l L i64   f float   d double
//   D decimal (scale u8, value u32)   S long string   x bytes   T timestamp u64   A array   F table
//   V void
//
// Tables are kept as the bytes that came and read in place, so what is passed on is exactly what
// was received. Limits: table_depth_max levels; the frame bounds the size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace trv::amqp::wire {

inline constexpr int table_depth_max = 32;

ByteView read_short_string(ByteReader& r);
ByteView read_long_string(ByteReader& r);
// The bytes between the table's size and its end; fails the reader unless they are well-formed.
ByteView read_table(ByteReader& r);

// Requires: at most 255 bytes.
void write_short_string(ByteWriter& w, ByteView text);
void write_long_string(ByteWriter& w, ByteView text);

struct Value {
  char type = 'V';
  ByteView raw;  // the bytes after the type octet; for S, x, A and F without their size

  // Any of the integer octets.
  std::optional<std::int64_t> integer() const;
  std::optional<bool> boolean() const;
  // f and d.
  std::optional<double> real() const;
  // S and x.
  std::optional<ByteView> text() const;
  bool operator==(const Value&) const = default;
};

// The word that error texts use for a type octet, as in: of type 'signedint'.
const char* type_name(char type);
// How error texts print a value.
std::string to_text(const Value& value);

struct Field {
  ByteView name;
  Value value;
};

class TableReader {
 public:
  explicit TableReader(ByteView table) : reader_(table) {}
  // False at the end or at malformed bytes; see ok().
  bool next(Field& field);
  bool ok() const { return reader_.ok(); }

 private:
  ByteReader reader_;
};

class ArrayReader {
 public:
  explicit ArrayReader(ByteView array) : reader_(array) {}
  bool next(Value& value);
  bool ok() const { return reader_.ok(); }

 private:
  ByteReader reader_;
};

// True when `table` can be read to its end, nested tables and arrays too.
bool well_formed_table(ByteView table);
std::optional<Value> find_field(ByteView table, ByteView name);
// The same fields in the order of their names (equal names keep their order).
std::string sorted_table(ByteView table);

// Appends fields to a table body.
class TableWriter {
 public:
  explicit TableWriter(std::string& out) : w_(out) {}
  void add(ByteView name, const Value& value);
  void add_text(ByteView name, ByteView text);
  void add_bool(ByteView name, bool value);
  void add_i32(ByteView name, std::int32_t value);
  void add_i64(ByteView name, std::int64_t value);
  void add_timestamp(ByteView name, std::uint64_t seconds);
  void add_table(ByteView name, ByteView table);
  void add_array(ByteView name, ByteView array);

 private:
  void head(ByteView name, char type);
  ByteWriter w_;
};

// Appends values to an array body.
void write_value(ByteWriter& w, const Value& value);

}  // namespace trv::amqp::wire
