// Proves the AMQP side of the view contract (docs/view-contract.md) in both directions, and what a
// dead letter carries.
#include "amqp/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "amqp/envelope.h"
#include "amqp/text.h"
#include "amqp/wire/properties.h"
#include "base/scoped_name.h"

namespace trv::amqp {
namespace {

using model::Message;
using wire::Properties;
using wire::Property;

struct Record {
  std::string envelope;
  std::string body;
  model::StoredRecord view;
};

Record record_of(std::string_view exchange, std::string_view key, const Properties& properties,
                 std::string body, bool deaths_are_ours = false) {
  std::string bytes;
  ByteWriter w(bytes);
  wire::encode_properties(w, properties);
  Record record;
  encode_envelope(record.envelope, {exchange, key, bytes, deaths_are_ours});
  record.body = std::move(body);
  return record;
}

const model::StoredRecord& view_of(Record& record) {
  record.view.origin = model::Origin::message;
  record.view.envelope = record.envelope;
  record.view.value = record.body;
  record.view.timestamp_ms = 1700000000123;
  return record.view;
}

std::string printed(const Message& message) {
  std::string out = "key=" + (message.key ? std::string(*message.key) : "null");
  out += " value=" + (message.value ? std::string(*message.value) : "null");
  for (const model::Header& header : message.headers) {
    out +=
        " " + std::string(header.name) + "=" + (header.value ? std::string(*header.value) : "null");
  }
  return out;
}

TEST(ToNeutral, ExchangeKeyHeadersProperties) {
  std::string array;
  ByteWriter values(array);
  wire::write_value(values, {'S', "a\"b"});
  wire::write_value(values, {'V', {}});
  wire::write_value(values, {'t', std::string_view("\0", 1)});
  std::string headers;
  wire::TableWriter table(headers);
  table.add_text("text", "v");
  table.add_i32("n", -5);
  table.add_bool("yes", true);
  table.add("real", {'d', std::string_view("\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8)});
  table.add("cents", {'D', std::string_view("\2\0\0\0\7", 5)});
  table.add("void", {'V', {}});
  table.add_array("list", array);
  Properties p;
  p.headers = headers;
  p.content_type = "text/plain";
  p.delivery_mode = 2;
  p.timestamp = 99;
  for (const Property property :
       {Property::headers, Property::content_type, Property::delivery_mode, Property::timestamp}) {
    p.set(property);
  }
  Record record = record_of("orders", "a.b", p, "body");
  EXPECT_EQ(printed(AmqpCodec().to_message(view_of(record))),
            "key=a.b value=body amqp.exchange=orders text=v n=-5 yes=true real=0.1 cents=0.07 "
            "void=null list=[\"a\\\"b\",null,false] amqp.content-type=text/plain "
            "amqp.delivery-mode=2 amqp.timestamp=99");
}

TEST(ToNeutral, TheDefaultExchangeGivesNoKey) {
  Record record = record_of("", "orders", Properties{}, "");
  EXPECT_EQ(printed(AmqpCodec().to_message(view_of(record))), "key=null value=");
}

TEST(ToNeutral, AnEmptyKeyIsNotNull) {
  Record record = record_of("fan", "", Properties{}, "b");
  EXPECT_EQ(printed(AmqpCodec().to_message(view_of(record))), "key= value=b amqp.exchange=fan");
}

Properties rendered_properties(const Rendered& rendered) {
  Properties p;
  EXPECT_TRUE(wire::parse_properties(rendered.properties, p));
  return p;
}

TEST(FromNeutral, HeadersKeepTheirKinds) {
  Message message;
  message.key = "k";
  message.value = "v";
  message.timestamp_ms = 5000;
  const std::string long_name(300, 'n');
  message.headers = {{"text", "t"},          {"bytes", "\xff"},           {"none", std::nullopt},
                     {"twice", "1"},         {"amqp.content-type", "ct"}, {"twice", "2"},
                     {"amqp.exchange", "x"}, {"amqp.priority", "high"},   {long_name, "l"}};
  Rendered out;
  message_to_amqp(message, "topic", out);
  EXPECT_EQ(out.exchange, "x");
  EXPECT_EQ(out.routing_key, "k");
  const Properties p = rendered_properties(out);
  EXPECT_EQ(p.content_type, "ct");
  EXPECT_EQ(p.delivery_mode, 2);
  EXPECT_EQ(p.timestamp, 5u);
  EXPECT_FALSE(p.has(Property::priority));
  const auto type = [&](ByteView name) {
    const auto value = wire::find_field(p.headers, name);
    return value ? value->type : '-';
  };
  EXPECT_EQ(type("text"), 'S');
  EXPECT_EQ(type("bytes"), 'x');
  EXPECT_EQ(type("none"), 'V');
  EXPECT_EQ(type("twice"), 'A');
  EXPECT_EQ(type("amqp.priority"), 'S');
  EXPECT_EQ(type("trivium.headers"), 'A');
  EXPECT_EQ(wire::find_field(p.headers, "trivium.timestamp-ms")->integer(), 5000);
  EXPECT_EQ(value_text(*wire::find_field(p.headers, "twice")), "[\"1\",\"2\"]");
}

TEST(FromNeutral, KeysThatAreNoRoutingKeys) {
  Message message;
  message.value = std::nullopt;
  Rendered out;
  message_to_amqp(message, "topic", out);
  EXPECT_EQ(out.routing_key, "topic");
  EXPECT_EQ(wire::find_field(rendered_properties(out).headers, "trivium.null-key")->boolean(),
            true);
  EXPECT_EQ(wire::find_field(rendered_properties(out).headers, "trivium.null-value")->boolean(),
            true);
  message.key = "\xfe\xff";
  message_to_amqp(message, "topic", out);
  EXPECT_EQ(out.routing_key, "topic");
  EXPECT_EQ(wire::find_field(rendered_properties(out).headers, "trivium.key")->type, 'x');
}

TEST(FromNeutral, PropertiesSurviveTheRoundTrip) {
  Properties p;
  p.message_id = "id";
  p.expiration = "100";
  p.priority = 9;
  p.timestamp = 1;
  for (const Property property :
       {Property::message_id, Property::expiration, Property::priority, Property::timestamp}) {
    p.set(property);
  }
  Record record = record_of("x", "k", p, "b");
  Rendered out;
  const Message message = AmqpCodec().to_message(view_of(record));
  message_to_amqp(message, "topic", out);
  p.delivery_mode = 2;
  p.set(Property::delivery_mode);
  std::string expected;
  ByteWriter w(expected);
  wire::encode_properties(w, p);
  EXPECT_EQ(out.properties, expected);
  EXPECT_EQ(out.exchange, "x");
  EXPECT_EQ(out.routing_key, "k");
}

TEST(TimeToLive, IsTheExpirationProperty) {
  Properties p;
  Record none = record_of("", "q", p, "");
  EXPECT_EQ(AmqpCodec().time_to_live(view_of(none)), -1);
  p.expiration = "250";
  p.set(Property::expiration);
  Record some = record_of("", "q", p, "");
  EXPECT_EQ(AmqpCodec().time_to_live(view_of(some)), 250);
}

TEST(DeadLetter, StaysInTheVirtualHostOfItsQueue) {
  Properties p;
  Record record = record_of("x", "k", p, "");
  broker::Death death{scoped("a", "q"), broker::DeathReason::expired, {}, scoped("a", "dlx"), ""};
  const auto named = AmqpCodec().dead_letter(view_of(record), {}, death);
  EXPECT_EQ(named.routing_key, "k");
  EXPECT_EQ(named.left_queues, std::vector<std::string>{scoped("a", "q")});
  Envelope envelope;
  ASSERT_TRUE(parse_envelope(named.bytes, envelope));
  EXPECT_EQ(envelope.exchange, "dlx");
  Properties q;
  ASSERT_TRUE(wire::parse_properties(envelope.properties, q));
  EXPECT_EQ(wire::find_field(q.headers, "x-first-death-queue")->raw, "q");
  // The default exchange knows queues by the broker's names; the message keeps the key.
  death.exchange = "";
  for (const std::string key : {"", "r"}) {
    death.routing_key = key;
    const auto letter = AmqpCodec().dead_letter(view_of(record), {}, death);
    EXPECT_EQ(letter.routing_key, scoped("a", key.empty() ? "k" : key));
    ASSERT_TRUE(parse_envelope(letter.bytes, envelope));
    EXPECT_EQ(envelope.routing_key, key.empty() ? "k" : key);
    EXPECT_EQ(envelope.exchange, "");
  }
}

TEST(DeadLetter, ExpirationMovesIntoTheHistory) {
  Properties p;
  p.expiration = "250";
  p.set(Property::expiration);
  Record record = record_of("x", "k", p, "");
  const broker::Death death{"q", broker::DeathReason::expired, {1700000000000}, "dlx", ""};
  const auto letter = AmqpCodec().dead_letter(view_of(record), {}, death);
  Envelope envelope;
  ASSERT_TRUE(parse_envelope(letter.bytes, envelope));
  EXPECT_EQ(envelope.exchange, "dlx");
  EXPECT_EQ(envelope.routing_key, "k");
  EXPECT_TRUE(envelope.deaths_are_ours);
  Properties q;
  ASSERT_TRUE(wire::parse_properties(envelope.properties, q));
  EXPECT_FALSE(q.has(Property::expiration));
  EXPECT_EQ(value_text(*wire::find_field(q.headers, "x-death")),
            "[{\"count\":1,\"reason\":\"expired\",\"queue\":\"q\",\"time\":1700000000,"
            "\"exchange\":\"x\",\"routing-keys\":[\"k\"],\"original-expiration\":\"250\"}]");
}

TEST(DeadLetter, ARepeatCountsAndMovesToTheFront) {
  Record record = record_of("", "a", Properties{}, "");
  const auto die = [&](const char* queue, broker::DeathReason reason) {
    const broker::Death death{queue, reason, {1000}, "dlx", ""};
    record.envelope = AmqpCodec().dead_letter(view_of(record), {}, death).bytes;
  };
  die("a", broker::DeathReason::rejected);
  die("b", broker::DeathReason::expired);
  die("a", broker::DeathReason::rejected);
  Envelope envelope;
  ASSERT_TRUE(parse_envelope(record.envelope, envelope));
  Properties p;
  ASSERT_TRUE(wire::parse_properties(envelope.properties, p));
  EXPECT_EQ(value_text(*wire::find_field(p.headers, "x-death")),
            "[{\"count\":2,\"reason\":\"rejected\",\"queue\":\"a\",\"time\":1,\"exchange\":\"\","
            "\"routing-keys\":[\"a\"]},{\"count\":1,\"reason\":\"expired\",\"queue\":\"b\","
            "\"time\":1,\"exchange\":\"dlx\",\"routing-keys\":[\"a\"]}]");
  EXPECT_EQ(wire::find_field(p.headers, "x-first-death-queue")->text(), "a");
  EXPECT_EQ(wire::find_field(p.headers, "x-last-death-reason")->text(), "rejected");
}

TEST(DeadLetter, WhatAClientSaysOfEarlierDeathsIsNotBelieved) {
  std::string death;
  wire::TableWriter fields(death);
  fields.add_i64("count", 7);
  fields.add_text("reason", "rejected");
  fields.add_text("queue", "a");
  std::string array;
  ByteWriter writer(array);
  wire::write_value(writer, {'F', death});
  std::string headers;
  wire::TableWriter(headers).add_array("x-death", array);
  Properties p;
  p.headers = headers;
  p.set(Property::headers);
  const auto count_of = [&](bool deaths_are_ours) {
    Record record = record_of("", "a", p, "", deaths_are_ours);
    const broker::Death again{"a", broker::DeathReason::rejected, {1000}, "dlx", ""};
    Envelope envelope;
    const auto letter = AmqpCodec().dead_letter(view_of(record), {}, again);
    EXPECT_TRUE(parse_envelope(letter.bytes, envelope));
    Properties q;
    EXPECT_TRUE(wire::parse_properties(envelope.properties, q));
    wire::ArrayReader deaths(wire::find_field(q.headers, "x-death")->raw);
    wire::Value first;
    EXPECT_TRUE(deaths.next(first));
    return wire::find_field(first.raw, "count")->integer();
  };
  EXPECT_EQ(count_of(true), 8);
  EXPECT_EQ(count_of(false), 1);
}

TEST(DeadLetter, KnowsTheQueuesLeftSinceTheLastRejection) {
  using broker::DeathReason;
  using Queues = std::vector<std::string>;
  struct Row {
    const char* name;
    std::vector<std::pair<const char*, DeathReason>> past;
    std::pair<const char*, DeathReason> death;
    Queues left;
  };
  const auto expired = DeathReason::expired;
  const auto rejected = DeathReason::rejected;
  const Row rows[] = {
      {"first", {}, {"a", expired}, {"a"}},
      {"rejected", {}, {"a", rejected}, {}},
      {"rejected after others", {{"b", expired}}, {"a", rejected}, {}},
      {"expired here before", {{"a", expired}, {"b", expired}}, {"a", expired}, {"a", "b"}},
      {"full after it expired", {{"a", expired}}, {"b", DeathReason::overflow}, {"b", "a"}},
      {"rejected since", {{"a", expired}, {"b", rejected}}, {"c", expired}, {"c"}},
      {"expired since", {{"a", rejected}, {"b", expired}}, {"c", expired}, {"c", "b"}},
  };
  for (const Row& row : rows) {
    Record record = record_of("", "k", Properties{}, "");
    for (const auto& [queue, reason] : row.past) {
      record.envelope =
          AmqpCodec().dead_letter(view_of(record), {}, {queue, reason, {}, "x", ""}).bytes;
    }
    const broker::Death death{row.death.first, row.death.second, {}, "x", ""};
    EXPECT_EQ(AmqpCodec().dead_letter(view_of(record), {}, death).left_queues, row.left)
        << row.name;
  }
}

TEST(DeadLetter, CopiesGoAlongUnlessItIsReaddressed) {
  std::string keys;
  ByteWriter w(keys);
  wire::write_value(w, {'S', "c1"});
  wire::write_value(w, {'S', "c2"});
  std::string headers;
  wire::TableWriter(headers).add_array("CC", keys);
  Properties p;
  p.headers = headers;
  p.set(Property::headers);
  Record record = record_of("x", "k", p, "");
  const auto headers_of = [](const std::string& bytes) {
    Envelope envelope;
    Properties q;
    EXPECT_TRUE(parse_envelope(bytes, envelope));
    EXPECT_TRUE(wire::parse_properties(envelope.properties, q));
    return std::string(q.headers);
  };
  broker::Death death{"q", broker::DeathReason::overflow, {1000}, "dlx", ""};
  const auto same = AmqpCodec().dead_letter(view_of(record), {}, death);
  EXPECT_EQ(same.more_keys, (std::vector<std::string>{"c1", "c2"}));
  EXPECT_TRUE(wire::find_field(headers_of(same.bytes), "CC"));
  death.routing_key = "other";
  const auto other = AmqpCodec().dead_letter(view_of(record), {}, death);
  EXPECT_TRUE(other.more_keys.empty());
  EXPECT_FALSE(wire::find_field(headers_of(other.bytes), "CC"));
  EXPECT_EQ(value_text(*wire::find_field(headers_of(other.bytes), "x-death")),
            "[{\"count\":1,\"reason\":\"maxlen\",\"queue\":\"q\",\"time\":1,\"exchange\":\"x\","
            "\"routing-keys\":[\"k\",\"c1\",\"c2\"]}]");
}

TEST(Envelope, TruncatedOrNewerIsRefused) {
  std::string bytes;
  encode_envelope(bytes, {"x", "k", "", false});
  Envelope envelope;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_envelope(ByteView(bytes).substr(0, size), envelope));
  }
  bytes[0] = 2;
  EXPECT_FALSE(parse_envelope(bytes, envelope));
}

TEST(Text, Utf8) {
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad :
       {"\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace trv::amqp
