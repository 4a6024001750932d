// Proves: requests come out the same however the input is cut, every protocol error has its text,
// and limits hold before login and after.
#include "redis/wire/request_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::redis {
namespace {

using Outcome = RequestParser::Outcome;
using Request = std::vector<std::string>;

struct Parsed {
  std::vector<Request> requests;
  std::string error;
  bool operator==(const Parsed&) const = default;
};

// Feeds `input` in pieces that end at `cuts`, as a connection does: a buffer whose parsed front is
// dropped, and that moves.
Parsed parse(const std::string& input, const std::vector<std::size_t>& cuts = {},
             bool authenticated = true, RequestLimits limits = {}) {
  RequestParser parser(limits);
  Parsed parsed;
  std::string buffer;
  std::size_t fed = 0;
  auto feed = [&](std::size_t end) {
    buffer = std::string(buffer) + input.substr(fed, end - fed);
    fed = end;
    for (;;) {
      Outcome outcome = parser.next(buffer, authenticated);
      if (outcome == Outcome::error) {
        parsed.error = parser.error();
        return false;
      }
      if (outcome == Outcome::request) {
        EXPECT_FALSE(parser.args().empty());
        parsed.requests.emplace_back(parser.args().begin(), parser.args().end());
      } else {
        std::size_t left = buffer.size() - parser.consumed();
        EXPECT_GT(parser.wanted(), left);
      }
      buffer.erase(0, parser.consumed());
      if (outcome == Outcome::need_more) return true;
    }
  };
  for (std::size_t cut : cuts) {
    if (cut > fed && cut < input.size() && !feed(cut)) return parsed;
  }
  feed(input.size());
  return parsed;
}

std::string error_of(const std::string& input, bool authenticated = true,
                     RequestLimits limits = {}) {
  Parsed parsed = parse(input, {}, authenticated, limits);
  constexpr std::string_view prefix = "ERR Protocol error: ";
  EXPECT_TRUE(parsed.error.starts_with(prefix)) << parsed.error;
  return parsed.error.substr(std::min(parsed.error.size(), prefix.size()));
}

TEST(RequestParser, Arrays) {
  EXPECT_EQ(parse("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n").requests,
            (std::vector<Request>{{"PING"}, {"GET", ""}}));
  EXPECT_EQ(parse(std::string("*2\r\n$1\r\n\0\r\n$4\r\na\r\nb\r\n", 22)).requests,
            (std::vector<Request>{{std::string(1, '\0'), "a\r\nb"}}));
}

TEST(RequestParser, PeeksAtTheKey) {
  const std::string request = "*3\r\n$3\r\nSET\r\n$4\r\nname\r\n$5\r\nvalue\r\n";
  EXPECT_EQ(RequestParser::peek_key(request), "name");
  const std::size_t end = request.find("name") + 4;
  for (std::size_t cut = 0; cut < request.size(); ++cut) {
    EXPECT_EQ(RequestParser::peek_key(request.substr(0, cut)), cut < end ? "" : "name") << cut;
  }
  const std::string none[] = {"PING\r\n",
                              "*1\r\n$4\r\nPING\r\n",
                              "$3\r\n$3\r\nSET\r\n$1\r\na\r\n",
                              "*2\r\n$999\r\nx\r\n$1\r\na\r\n",
                              "*2\r\n$3\r\nGET\r\n$1000\r\na\r\n",
                              "*2\r\n$3\r\nGET\r\n$-1\r\na\r\n",
                              "*2\r\n:3\r\nGET\r\n$1\r\na\r\n"};
  for (const std::string& input : none) EXPECT_EQ(RequestParser::peek_key(input), "") << input;
}

TEST(RequestParser, Inline) {
  EXPECT_EQ(parse("PING\r\nGET  key\n  \n\r\nSET a \"x\\x41\\n\\\"\" 'it\\'s \\n'\r\n").requests,
            (std::vector<Request>{{"PING"}, {"GET", "key"}, {"SET", "a", "xA\n\"", "it's \\n"}}));
  EXPECT_EQ(parse("ECHO \"\"\r\n").requests, (std::vector<Request>{{"ECHO", ""}}));
  EXPECT_EQ(parse("ECHO a\"b c\"\r\n").requests, (std::vector<Request>{{"ECHO", "ab c"}}));
}

TEST(RequestParser, EmptyRequestsAreSkipped) {
  EXPECT_EQ(parse("*0\r\n*-1\r\n\r\nPING\r\n*0\r\n").requests, (std::vector<Request>{{"PING"}}));
}

TEST(RequestParser, ErrorTexts) {
  EXPECT_EQ(error_of("SET \"a\r\n"), "unbalanced quotes in request");
  EXPECT_EQ(error_of("SET \"a\"b\r\n"), "unbalanced quotes in request");
  EXPECT_EQ(error_of(std::string((64 << 10) + 1, 'a')), "too big inline request");
  EXPECT_EQ(error_of("*" + std::string(64 << 10, '1')), "too big mbulk count string");
  EXPECT_EQ(error_of("*1\r\n$" + std::string(64 << 10, '1')), "too big bulk count string");
  EXPECT_EQ(error_of("*1\r\nfoo\r\n"), "expected '$', got 'f'");
  EXPECT_EQ(error_of("*1\r\n$-1\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$x\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$99999999999\r\n"), "invalid bulk length");
  EXPECT_EQ(error_of("*x\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*01\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*2147483648\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*\r\n"), "invalid multibulk length");
  EXPECT_EQ(error_of("*11\r\n", false), "unauthenticated multibulk length");
  EXPECT_EQ(error_of("*1\r\n$16385\r\n", false), "unauthenticated bulk length");
  RequestLimits limits;
  limits.request_size_max = 100;
  EXPECT_EQ(error_of("*3\r\n$40\r\n" + std::string(40, 'x') + "\r\n$60\r\n", true, limits),
            "too big request");
}

TEST(RequestParser, RequestsBeforeAnErrorComeOut) {
  Parsed parsed = parse("PING\r\n*1\r\n$4\r\nECHO\r\n*1\r\n!\r\n");
  EXPECT_EQ(parsed.requests.size(), 2u);
  EXPECT_EQ(parsed.error, "ERR Protocol error: expected '$', got '!'");
}

TEST(RequestParser, ClaimedCountsCostNothing) {
  RequestParser parser;
  EXPECT_EQ(parser.next("*2147483647\r\n$67108864\r\nabc", true), Outcome::need_more);
  EXPECT_EQ(parser.wanted(), 24u + 67108864u + 2u);
}

TEST(RequestParser, AnyCutGivesTheSame) {
  const std::string input =
      "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nhello\r\nworld\r\nPING \"a "
      "b\"\r\n*0\r\n*2\r\n$4\r\nECHO\r\n$0\r"
      "\n\r\n*1\r\n$4\r\nQUIT\r\n";
  Parsed whole = parse(input);
  EXPECT_EQ(whole.requests.size(), 4u);
  for (std::size_t cut = 1; cut < input.size(); ++cut) EXPECT_EQ(parse(input, {cut}), whole) << cut;
  std::vector<std::size_t> every;
  for (std::size_t cut = 1; cut < input.size(); ++cut) every.push_back(cut);
  EXPECT_EQ(parse(input, every), whole);
}

TEST(RequestParser, RandomInputCutAnywhereGivesTheSame) {
  std::mt19937 random(3);
  const std::string alphabet = "*$0123\r\n\r\n\r\n\"'ab \\x-";
  for (int round = 0; round < 20000; ++round) {
    std::string input;
    for (std::size_t i = 0; i < 40; ++i) input += alphabet[random() % alphabet.size()];
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < input.size(); ++i) {
      if (random() % 3 == 0) cuts.push_back(i);
    }
    ASSERT_EQ(parse(input, cuts), parse(input)) << input;
  }
}

}  // namespace
}  // namespace trv::redis
