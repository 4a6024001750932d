// The schemas of Kafka's messages as tables (schema/kafka), for a client that writes any request
// and reads any answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace trv::fuzz {

// Where the fields of a struct stand.
struct SchemaFields {
  std::size_t first;
  std::size_t count;
};

struct SchemaField {
  enum class Kind : std::uint8_t {
    boolean,
    i8,
    i16,
    i32,
    i64,
    f64,
    uuid,
    string,
    bytes,
    records,
    record
  };
  std::string_view name;
  Kind kind;
  bool is_array;
  // Of the versions that have it.
  std::int16_t first;
  std::int16_t last;
  std::int16_t nullable_from;  // -1: never
  std::int16_t tag;            // -1: in its place
  std::int64_t value;          // when nobody says which
  std::size_t fields_first;
  std::size_t fields_count;

  SchemaFields fields() const { return {fields_first, fields_count}; }
  bool in(std::int16_t version) const { return version >= first && version <= last; }
  bool nullable_in(std::int16_t version) const {
    return nullable_from >= 0 && version >= nullable_from;
  }
};

struct SchemaApi {
  std::int16_t key;
  std::string_view name;
  std::int16_t flexible_from;
  SchemaFields request;
  SchemaFields response;
};

// In the order of their keys.
std::span<const SchemaApi> schema_apis();
std::span<const SchemaField> fields_of(SchemaFields place);

}  // namespace trv::fuzz
