// Proves: number and id parsing at their edges, reply shapes in both protocol versions, and glob
// matching, the last also against a plain recursive matcher and in bounded time.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "redis/wire/glob.h"
#include "redis/wire/number.h"
#include "redis/wire/reply_writer.h"

namespace trv::redis {
namespace {

TEST(Number, Integers) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-7"), -7);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  for (const char* bad : {"", "-", "-0", "+1", "01", "1 ", " 1", "1a", "9223372036854775808",
                          "-9223372036854775809", "99999999999999999999", "0x1", "1.0"}) {
    EXPECT_FALSE(parse_integer(bad)) << bad;
  }
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_unsigned("18446744073709551616"));
  EXPECT_FALSE(parse_unsigned("-1"));
}

TEST(Number, Ids) {
  EXPECT_EQ(parse_id("5", MissingSeq::zero), (RecordId{5, 0}));
  EXPECT_EQ(parse_id("5", MissingSeq::max), (RecordId{5, UINT64_MAX}));
  EXPECT_EQ(parse_id("5-3", MissingSeq::max), (RecordId{5, 3}));
  EXPECT_EQ(parse_id("-", MissingSeq::zero), (RecordId{0, 0}));
  EXPECT_EQ(parse_id("+", MissingSeq::zero), RecordId::max());
  EXPECT_EQ(parse_id("18446744073709551615-18446744073709551615", MissingSeq::zero),
            RecordId::max());
  for (const char* bad : {"", "a", "1-", "-1", "1-a", "1-2-3", "1-*", "18446744073709551616-0"}) {
    EXPECT_FALSE(parse_id(bad, MissingSeq::zero)) << bad;
  }
  EXPECT_FALSE(parse_id_strict("-", MissingSeq::zero));
  EXPECT_FALSE(parse_id_strict("+", MissingSeq::zero));
  EXPECT_EQ(id_text(RecordId::max()), "18446744073709551615-18446744073709551615");
  EXPECT_EQ(id_text({1, 0}), "1-0");
}

std::string write(Protocol protocol, const std::function<void(ReplyWriter&)>& body) {
  std::string out;
  ReplyWriter writer(out, protocol);
  body(writer);
  return out;
}

using Body = std::function<void(ReplyWriter&)>;

void expect_both(const Body& body, const std::string& resp2, const std::string& resp3) {
  EXPECT_EQ(write(Protocol::resp2, body), resp2);
  EXPECT_EQ(write(Protocol::resp3, body), resp3);
}

TEST(ReplyWriter, Shapes) {
  expect_both([](ReplyWriter& w) { w.ok(); }, "+OK\r\n", "+OK\r\n");
  expect_both([](ReplyWriter& w) { w.error("ERR a\r\nb"); }, "-ERR a  b\r\n", "-ERR a  b\r\n");
  expect_both([](ReplyWriter& w) { w.integer(INT64_MIN); }, ":-9223372036854775808\r\n",
              ":-9223372036854775808\r\n");
  expect_both([](ReplyWriter& w) { w.bulk("hi"); }, "$2\r\nhi\r\n", "$2\r\nhi\r\n");
  expect_both([](ReplyWriter& w) { w.id({3, 4}); }, "$3\r\n3-4\r\n", "$3\r\n3-4\r\n");
  expect_both([](ReplyWriter& w) { w.null(); }, "$-1\r\n", "_\r\n");
  expect_both([](ReplyWriter& w) { w.null_array(); }, "*-1\r\n", "_\r\n");
  expect_both([](ReplyWriter& w) { w.array(3); }, "*3\r\n", "*3\r\n");
  expect_both([](ReplyWriter& w) { w.map(3); }, "*6\r\n", "%3\r\n");
  expect_both([](ReplyWriter& w) { w.set(3); }, "*3\r\n", "~3\r\n");
  expect_both([](ReplyWriter& w) { w.push(3); }, "*3\r\n", ">3\r\n");
  expect_both([](ReplyWriter& w) { w.boolean(true); }, ":1\r\n", "#t\r\n");
  expect_both([](ReplyWriter& w) { w.real(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n");
  expect_both([](ReplyWriter& w) { w.real(-HUGE_VAL); }, "$4\r\n-inf\r\n", ",-inf\r\n");
  expect_both([](ReplyWriter& w) { w.verbatim("abc"); }, "$3\r\nabc\r\n", "=7\r\ntxt:abc\r\n");
  expect_both(
      [](ReplyWriter& w) {
        std::size_t place = w.open_array();
        w.integer(1);
        w.integer(2);
        w.close_array(place, 2);
      },
      "*2\r\n:1\r\n:2\r\n", "*2\r\n:1\r\n:2\r\n");
  for (std::size_t guess : {std::size_t{0}, std::size_t{1}, std::size_t{700}, SIZE_MAX}) {
    expect_both(
        [guess](ReplyWriter& w) {
          const ReplyWriter::Guess streams = w.guess_map_of_streams(guess);
          w.bulk("s");
          const ReplyWriter::Guess entries = w.guess_array(guess);
          w.integer(7);
          w.correct(entries, 1);
          w.integer(8);
          w.correct(streams, 12);
        },
        "*12\r\n$1\r\ns\r\n*1\r\n:7\r\n:8\r\n", "%12\r\n$1\r\ns\r\n*1\r\n:7\r\n:8\r\n");
  }
}

TEST(ReplyWriter, LargeBulkStringsGrowTheReplyAsOthersDo) {
  std::string out;
  ReplyWriter writer(out, Protocol::resp2);
  const std::string value(5000, 'v');
  const std::string one = "$5000\r\n" + value + "\r\n";
  writer.bulk(value);
  EXPECT_EQ(out, one);
  EXPECT_LT(out.capacity(), 2 * value.size());
  int moves = 0;
  for (int i = 1; i < 1000; ++i) {
    const char* before = out.data();
    writer.bulk(value);
    if (out.data() != before) ++moves;
  }
  EXPECT_EQ(out.size(), 1000 * one.size());
  EXPECT_TRUE(out.ends_with(one + one));
  EXPECT_LT(moves, 20);
}

TEST(Glob, Cases) {
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("h?llo", "hello"));
  EXPECT_TRUE(glob_match("h*llo", "heeeello"));
  EXPECT_TRUE(glob_match("h[ae]llo", "hallo"));
  EXPECT_FALSE(glob_match("h[ae]llo", "hillo"));
  EXPECT_TRUE(glob_match("h[^e]llo", "hallo"));
  EXPECT_TRUE(glob_match("h[b-a]llo", "hallo"));
  EXPECT_TRUE(glob_match("\\*", "*"));
  EXPECT_FALSE(glob_match("\\*", "a"));
  EXPECT_TRUE(glob_match("a\\", "a\\"));
  EXPECT_TRUE(glob_match("[\\]]", "]"));
  EXPECT_FALSE(glob_match("[]a]", "a"));
  EXPECT_TRUE(glob_match("[a", "a"));
  EXPECT_TRUE(glob_match("ABC", "abc", true));
  EXPECT_TRUE(glob_match("[A-C]", "b", true));
  EXPECT_FALSE(glob_match("ABC", "abc"));
  EXPECT_TRUE(glob_match("*.log.*", "x.log.y.log.z"));
}

TEST(Glob, PatternsOfManyStarsStayCheap) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

bool simple_match(ByteView p, ByteView t) {
  if (p.empty()) return t.empty();
  if (p[0] == '*') {
    return simple_match(p.substr(1), t) || (!t.empty() && simple_match(p, t.substr(1)));
  }
  return !t.empty() && (p[0] == '?' || p[0] == t[0]) && simple_match(p.substr(1), t.substr(1));
}

TEST(Glob, EqualsASimpleMatcher) {
  std::mt19937 random(5);
  for (int i = 0; i < 50000; ++i) {
    std::string pattern;
    std::string text;
    for (std::size_t n = random() % 8; n > 0; --n) pattern += "ab*?"[random() % 4];
    for (std::size_t n = random() % 10; n > 0; --n) text += "ab"[random() % 2];
    ASSERT_EQ(glob_match(pattern, text), simple_match(pattern, text)) << pattern << " " << text;
  }
}

}  // namespace
}  // namespace trv::redis
