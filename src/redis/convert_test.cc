// Proves: every rule of docs/view-contract.md that concerns Redis, in both directions.
#include "redis/convert.h"

#include <gtest/gtest.h>

namespace trv::redis {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Neutral {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const Neutral&) const = default;
};

Neutral to_neutral(const Fields& fields) {
  std::string encoded;
  ByteWriter writer(encoded);
  writer.varint(fields.size());
  for (const auto& [name, value] : fields) {
    writer.sized(name);
    writer.sized(value);
  }
  model::StoredRecord record;
  record.origin = model::Origin::fields;
  record.id = {5, 6};
  record.timestamp_ms = 77;
  record.owner = Slice::own(encoded);
  record.value = record.owner.view();
  model::Message message = FieldsCodec().to_message(record);
  EXPECT_EQ(message.timestamp_ms, 77);
  Neutral neutral;
  if (message.key) neutral.key = *message.key;
  if (message.value) neutral.value = *message.value;
  for (const model::Header& header : message.headers) {
    std::optional<std::string> value;
    if (header.value) value = *header.value;
    neutral.headers.emplace_back(header.name, value);
  }
  EXPECT_EQ(neutral.headers.back().first, "redis.id");
  EXPECT_EQ(neutral.headers.back().second, "5-6");
  neutral.headers.pop_back();
  return neutral;
}

Fields to_fields(const Neutral& neutral) {
  model::Message message;
  if (neutral.key) message.key = *neutral.key;
  if (neutral.value) message.value = *neutral.value;
  for (const auto& [name, value] : neutral.headers) {
    std::optional<ByteView> bytes;
    if (value) bytes = *value;
    message.headers.push_back({name, bytes});
  }
  Fields fields;
  for (const auto& [name, value] : fields_of(message)) fields.emplace_back(name, value);
  return fields;
}

TEST(Convert, FieldsWithAValue) {
  EXPECT_EQ(to_neutral({{"value", "v"}}), (Neutral{{}, "v", {}}));
  EXPECT_EQ(to_neutral({{"a", "1"}, {"value", "v"}, {"key", "k"}, {"value", "w"}, {"key", "l"}}),
            (Neutral{"k", "v", {{"a", "1"}, {"value", "w"}, {"key", "l"}}}));
  EXPECT_EQ(to_neutral({{"value", ""}, {"key", ""}}), (Neutral{"", "", {}}));
}

TEST(Convert, FieldsWithoutAValueBecomeJson) {
  EXPECT_EQ(to_neutral({{"a", "1"}, {"b", "x\"y\\z"}}).value, R"({"a":"1","b":"x\"y\\z"})");
  EXPECT_EQ(to_neutral({{"key", "k"}}), (Neutral{{}, R"({"key":"k"})", {}}));
  EXPECT_EQ(to_neutral({{"a", "1"}, {"b", "2"}, {"a", "3"}}).value, R"({"a":["1","3"],"b":"2"})");
  EXPECT_EQ(to_neutral({{"n", "\n\r\t\x01\x7f"}}).value, "{\"n\":\"\\n\\r\\t\\u0001\x7f\"}");
  EXPECT_EQ(to_neutral({{"", ""}}).value, R"({"":""})");
  EXPECT_EQ(to_neutral({{"u", "\xc3\xa9\xf0\x9f\x98\x80"}}).value,
            "{\"u\":\"\xc3\xa9\xf0\x9f\x98\x80\"}");
}

TEST(Convert, BytesThatAreNotTextGoToHeaders) {
  EXPECT_EQ(to_neutral({{"a", "\xff"}, {"b", "1"}}),
            (Neutral{{}, R"({"a":null,"b":"1"})", {{"a", "\xff"}}}));
  EXPECT_EQ(to_neutral({{"x\xfe", "1"}}),
            (Neutral{{}, "{\"x\xef\xbf\xbd\":null}", {{"x\xfe", "1"}}}));
}

TEST(Convert, MessagesBecomeFields) {
  EXPECT_EQ(to_fields({"k", "v", {{"h", "1"}}}),
            (Fields{{"key", "k"}, {"value", "v"}, {"h", "1"}}));
  EXPECT_EQ(to_fields({{}, "v", {}}), (Fields{{"value", "v"}}));
  EXPECT_EQ(to_fields({{}, "v", {{"key", "1"}, {"value", "2"}}}),
            (Fields{{"value", "v"}, {"header.key", "1"}, {"header.value", "2"}}));
  EXPECT_EQ(
      to_fields({{}, "v", {{"a", {}}, {"b", "1"}, {"c", {}}}}),
      (Fields{{"value", "v"}, {"a", ""}, {"b", "1"}, {"c", ""}, {"trivium.null-headers", "a,c"}}));
  EXPECT_EQ(to_fields({}), (Fields{{"trivium.null-value", "1"}}));
}

TEST(Convert, Utf8) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace trv::redis
