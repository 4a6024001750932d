// Proves that frames, methods, tables and properties come back as they were written, that every
// truncation is refused, and that nothing is allocated or read by a length that is only claimed.
#include <gtest/gtest.h>

#include "amqp/wire/frame.h"
#include "amqp/wire/methods.gen.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"

namespace trv::amqp::wire {
namespace {

template <class M>
std::string payload_of(const M& method) {
  std::string out;
  ByteWriter w(out);
  encode(w, method);
  return out;
}

std::string every_type() {
  std::string nested;
  TableWriter(nested).add_bool("deep", true);
  std::string array;
  ByteWriter values(array);
  write_value(values, {'S', "in"});
  write_value(values, {'F', nested});
  std::string out;
  TableWriter w(out);
  w.add("t", {'t', std::string_view("\1", 1)});
  w.add("b", {'b', "\xff"});
  w.add("B", {'B', "\xff"});
  w.add("s", {'s', "\xff\xfe"});
  w.add("u", {'u', "\xff\xfe"});
  w.add_i32("I", -3);
  w.add("i", {'i', "\xff\xff\xff\xff"});
  w.add_i64("l", -4);
  w.add("L", {'L', std::string_view("\0\0\0\0\0\0\0\7", 8)});
  w.add("f", {'f', std::string_view("\x3f\xc0\0\0", 4)});
  w.add("d", {'d', std::string_view("\xbf\xf8\0\0\0\0\0\0", 8)});
  w.add("D", {'D', std::string_view("\2\0\0\0\x7b", 5)});
  w.add_text("S", "text");
  w.add("x", {'x', std::string_view("\0\1", 2)});
  w.add_timestamp("T", 1234567890);
  w.add_array("A", array);
  w.add_table("F", nested);
  w.add("V", {'V', {}});
  return out;
}

TEST(Methods, ComeBackAsWritten) {
  const std::string arguments = every_type();
  const std::string payload = payload_of(
      QueueDeclare{.queue = "q", .durable = true, .auto_delete = true, .arguments = arguments});
  const auto decoded = decode(payload);
  ASSERT_TRUE(decoded);
  const auto* method = std::get_if<QueueDeclare>(&*decoded);
  ASSERT_NE(method, nullptr);
  EXPECT_EQ(method->queue, "q");
  EXPECT_TRUE(method->durable);
  EXPECT_FALSE(method->exclusive);
  EXPECT_TRUE(method->auto_delete);
  EXPECT_EQ(method->arguments, arguments);
}

TEST(Methods, EveryOneDecodesItsOwnEncodingAndNoPrefixOfIt) {
  int seen = 0;
  for (const MethodRow& row : method_rows()) {
    // All fields zero: strings and tables empty, bits packed into octets.
    std::string payload;
    ByteWriter w(payload);
    w.u32(static_cast<std::uint32_t>(row.id));
    int bit = 0;
    for (const FieldRow& field : row.fields) {
      if (field.type == FieldType::bit_t) {
        if (bit++ % 8 == 0) w.u8(0);
        continue;
      }
      bit = 0;
      static constexpr std::size_t sizes[] = {1, 2, 4, 8, 0, 1, 4, 4};
      payload.append(sizes[static_cast<std::size_t>(field.type)], '\0');
    }
    const auto decoded = decode(payload);
    ASSERT_TRUE(decoded) << row.name;
    const std::string again = std::visit([](const auto& m) { return payload_of(m); }, *decoded);
    EXPECT_EQ(again, payload) << row.name;
    for (std::size_t size = 0; size < payload.size(); ++size) {
      EXPECT_FALSE(decode(ByteView(payload).substr(0, size))) << row.name << " " << size;
    }
    EXPECT_FALSE(decode(payload + '\0')) << row.name;
    EXPECT_EQ(find_method(row.id), &row);
    ++seen;
  }
  EXPECT_EQ(seen, 66);
}

TEST(Methods, UnknownIdsAreTold) {
  const auto decoded = decode(std::string_view("\0\x63\0\x0a", 4));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::unsupported);
  EXPECT_EQ(find_method(MethodId{0x0063000a}), nullptr);
}

TEST(Frame, NeedsAllOfItAndTheEndOctet) {
  std::string bytes;
  write_method_frame(bytes, 7, BasicQosOk{});
  Frame frame;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(parse_frame(ByteView(bytes).substr(0, size), 4096, frame), FrameStatus::need_more);
  }
  ASSERT_EQ(parse_frame(bytes + "rest", 4096, frame), FrameStatus::complete);
  EXPECT_EQ(frame.type, FrameType::method);
  EXPECT_EQ(frame.channel, 7);
  EXPECT_EQ(frame.size, bytes.size());
  EXPECT_EQ(frame.payload.size(), 4u);
  bytes.back() = 'x';
  EXPECT_EQ(parse_frame(bytes, 4096, frame), FrameStatus::bad_end);
}

TEST(Frame, RefusesByTheHeadAlone) {
  Frame frame;
  EXPECT_EQ(parse_frame(std::string_view("\1\0\0\xff\xff\xff\xff", 7), 4096, frame),
            FrameStatus::too_large);
  EXPECT_EQ(parse_frame("\7", 4096, frame), FrameStatus::unknown_type);
  EXPECT_EQ(parse_frame(std::string_view("\1\0\0\0\0\x10\0", 7), 4096, frame),
            FrameStatus::need_more);
  EXPECT_EQ(parse_frame(std::string_view("\1\0\0\0\0\x10\1", 7), 4096, frame),
            FrameStatus::too_large);
}

TEST(Table, ValuesOfEveryType) {
  const std::string table = every_type();
  ASSERT_TRUE(well_formed_table(table));
  const auto value = [&](ByteView name) { return *find_field(table, name); };
  EXPECT_EQ(value("t").boolean(), true);
  EXPECT_EQ(value("b").integer(), -1);
  EXPECT_EQ(value("B").integer(), 255);
  EXPECT_EQ(value("s").integer(), -2);
  EXPECT_EQ(value("u").integer(), 65534);
  EXPECT_EQ(value("I").integer(), -3);
  EXPECT_EQ(value("i").integer(), 4294967295);
  EXPECT_EQ(value("l").integer(), -4);
  EXPECT_EQ(value("L").integer(), 7);
  EXPECT_EQ(value("f").real(), 1.5);
  EXPECT_EQ(value("d").real(), -1.5);
  EXPECT_EQ(value("S").text(), "text");
  EXPECT_EQ(value("T").integer(), 1234567890);
  EXPECT_FALSE(value("S").integer());
  EXPECT_FALSE(find_field(table, "missing"));
  EXPECT_EQ(find_field(value("F").raw, "deep")->boolean(), true);
}

TEST(Table, TruncationsAreMalformed) {
  const std::string table = every_type();
  std::size_t good = 0;
  for (std::size_t size = 0; size < table.size(); ++size) {
    if (well_formed_table(ByteView(table).substr(0, size))) ++good;
  }
  EXPECT_EQ(good, 18u);  // between any two of the 18 fields, and before the first
}

TEST(Table, DepthIsLimited) {
  std::string table;
  for (int depth = 1; depth < table_depth_max; ++depth) {
    std::string outer;
    TableWriter(outer).add_table("n", table);
    table = outer;
  }
  EXPECT_TRUE(well_formed_table(table));
  std::string deeper;
  TableWriter(deeper).add_table("n", table);
  EXPECT_FALSE(well_formed_table(deeper));
}

TEST(Table, UnknownTypesAreMalformed) {
  EXPECT_FALSE(well_formed_table(std::string_view("\1aZ", 3)));
}

TEST(Table, SortedByName) {
  std::string table;
  TableWriter w(table);
  w.add_text("b", "1");
  w.add_text("a", "2");
  std::string expected;
  TableWriter e(expected);
  e.add_text("a", "2");
  e.add_text("b", "1");
  EXPECT_EQ(sorted_table(table), expected);
}

TEST(Properties, ComeBackAsWritten) {
  const std::string headers = every_type();
  Properties p;
  p.content_type = "text/plain";
  p.headers = headers;
  p.delivery_mode = 2;
  p.priority = 0;
  p.expiration = "";
  p.timestamp = 17;
  p.cluster_id = "c";
  for (const Property property :
       {Property::content_type, Property::headers, Property::delivery_mode, Property::priority,
        Property::expiration, Property::timestamp, Property::cluster_id}) {
    p.set(property);
  }
  std::string bytes;
  ByteWriter w(bytes);
  encode_properties(w, p);
  Properties again;
  ASSERT_TRUE(parse_properties(bytes, again));
  EXPECT_EQ(again.flags, p.flags);
  EXPECT_EQ(again.content_type, "text/plain");
  EXPECT_EQ(again.headers, headers);
  EXPECT_EQ(again.timestamp, 17u);
  EXPECT_TRUE(again.has(Property::expiration));
  EXPECT_FALSE(again.has(Property::message_id));
  std::string bytes_again;
  ByteWriter w_again(bytes_again);
  encode_properties(w_again, again);
  EXPECT_EQ(bytes_again, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_properties(ByteView(bytes).substr(0, size), again)) << size;
  }
  EXPECT_FALSE(parse_properties(bytes + "x", again));
}

TEST(Properties, ContinuedFlagsAreRefused) {
  Properties p;
  EXPECT_FALSE(parse_properties(std::string_view("\0\1\0\0", 4), p));
}

}  // namespace
}  // namespace trv::amqp::wire
