// Tables and properties as JSON and back; names of bindings.
#include "amqp/management/json_table.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "amqp/management/render.h"
#include "amqp/wire/table.h"

namespace trv::amqp {
namespace {

namespace json = boost::json;

json::object object_of(const char* text) { return json::parse(text).as_object(); }

TEST(JsonTable, KeepsWhatJsonHasWordsFor) {
  const json::object given = object_of(
      R"({"a":-5,"b":"text","c":true,"d":null,"e":[1,"x",[],{}],"f":{"g":{"h":2.5}},"":""})");
  auto table = table_from_json(given);
  ASSERT_TRUE(table.ok());
  EXPECT_TRUE(wire::well_formed_table(*table));
  EXPECT_EQ(table_to_json(*table), given);
}

TEST(JsonTable, ShowsEveryOctet) {
  std::string table;
  wire::TableWriter w(table);
  w.add("short", {'s', ByteView("\xff\xfe", 2)});
  w.add("bytes", {'x', ByteView("\xff", 1)});
  w.add("time", {'T', ByteView("\0\0\0\0\0\0\1\0", 8)});
  w.add("decimal", {'D', ByteView("\2\0\0\0\x7b", 5)});
  const json::object shown = table_to_json(table);
  EXPECT_EQ(shown.at("short"), -2);
  EXPECT_EQ(shown.at("bytes"), "/w==");
  EXPECT_EQ(shown.at("time"), 256);
  EXPECT_EQ(shown.at("decimal"), "1.23");
}

TEST(JsonTable, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(table_from_json(object_of(R"({"a":18446744073709551615})")).ok());
  json::object long_name;
  long_name[std::string(256, 'x')] = 1;
  EXPECT_FALSE(table_from_json(long_name).ok());
  json::object deep;
  for (int i = 0; i < wire::table_depth_max + 1; ++i) {
    json::object outer;
    outer["a"] = std::move(deep);
    deep = std::move(outer);
  }
  EXPECT_FALSE(table_from_json(deep).ok());
}

TEST(JsonProperties, GoThereAndBack) {
  const json::object given = object_of(
      R"({"content_type":"a","priority":3,"delivery_mode":2,"timestamp":12,"headers":{"x":"y"},
          "message_id":"m","expiration":"5"})");
  auto bytes = properties_from_json(given);
  ASSERT_TRUE(bytes.ok());
  wire::Properties properties;
  ASSERT_TRUE(wire::parse_properties(*bytes, properties));
  EXPECT_EQ(properties_to_json(properties), given);
  for (const char* bad : {R"({"priority":256})", R"({"priority":-1})", R"({"nonsense":1})",
                          R"({"headers":[]})", R"({"type":5})", R"({"timestamp":"x"})"}) {
    EXPECT_FALSE(properties_from_json(object_of(bad)).ok()) << bad;
  }
}

TEST(PropertiesKey, TellsBindingsApart) {
  EXPECT_EQ(properties_key("", ""), "~");
  EXPECT_EQ(properties_key("k", ""), "k");
  EXPECT_EQ(properties_key("a b/\xc3\xbc~", ""), "a+b%2F%C3%BC%7E");
  EXPECT_NE(properties_key("k", "x"), properties_key("k", "y"));
  EXPECT_TRUE(properties_key("", "x").starts_with("~"));
  EXPECT_NE(properties_key("", "x"), "~");
}

}  // namespace
}  // namespace trv::amqp
