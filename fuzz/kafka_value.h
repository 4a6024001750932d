// Value: what stands in a field of a Kafka message, whichever message that is; and how a client
// writes requests and reads answers by the schemas alone, without the broker's codecs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "kafka_schema.h"

namespace trv::fuzz {

class Value {
 public:
  enum class Kind : std::uint8_t { null, number, text, list, record };

  Value() = default;
  Value(std::int64_t number) : kind_(Kind::number), number_(number) {}
  Value(std::int32_t number) : Value(static_cast<std::int64_t>(number)) {}
  Value(bool flag) : Value(static_cast<std::int64_t>(flag)) {}
  Value(std::string text) : kind_(Kind::text), text_(std::move(text)) {}
  Value(ByteView text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::vector<Value> items) : kind_(Kind::list), items_(std::move(items)) {}

  // A struct; what is not set is what the schema says.
  Value& set(std::string_view name, Value value);
  bool is_null() const { return kind_ == Kind::null; }
  std::int64_t number() const { return number_; }
  const std::string& text() const { return text_; }
  const std::vector<Value>& items() const { return items_; }
  const std::vector<std::string_view>& names() const { return names_; }
  // Null when it is not there.
  const Value& operator[](std::string_view name) const;
  bool has(std::string_view name) const;

 private:
  Kind kind_ = Kind::null;
  std::int64_t number_ = 0;
  std::string text_;
  std::vector<Value> items_;  // of a list or a struct
  std::vector<std::string_view> names_;
};

// 16 octets as a text.
const std::string& no_uuid();

// Without the size in front. `correlation` is that of the answer.
std::string encode_request(const SchemaApi& api, std::int16_t version, std::int32_t correlation,
                           const Value& request);
// Asserts that it is one answer, whole and no more.
Value decode_answer(const SchemaApi& api, std::int16_t version, std::int32_t correlation,
                    ByteView answer);
// For who looks at a finding.
std::string to_text(const Value& value);

}  // namespace trv::fuzz
