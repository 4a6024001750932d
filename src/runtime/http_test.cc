// HttpParser and encode_http_reply: whole, split, malformed and too large requests.
#include "runtime/http.h"

#include <gtest/gtest.h>

namespace trv::runtime {
namespace {

constexpr std::string_view post =
    "POST /api/x?y=%2F HTTP/1.1\r\nHost: a\r\nX-Reason: why not\r\nAuthorization: Basic "
    "Zzo=\r\nContent-Length: "
    "5\r\n\r\nhello";

TEST(HttpParser, ReadsARequestHoweverItIsCut) {
  for (std::size_t cut = 0; cut <= post.size(); ++cut) {
    HttpParser parser({1024});
    std::string buffer;
    for (std::string_view part : {post.substr(0, cut), post.substr(cut)}) {
      buffer += part;
      auto used = parser.feed(buffer);
      ASSERT_TRUE(used.ok()) << cut;
      buffer.erase(0, *used);
    }
    ASSERT_TRUE(parser.complete()) << cut;
    HttpRequest request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/api/x?y=%2F");
    EXPECT_EQ(request.authorization, "Basic Zzo=");
    EXPECT_EQ(request.reason, "why not");
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(request.keep_alive);
  }
}

TEST(HttpParser, StopsBetweenRequests) {
  HttpParser parser({1024});
  const std::string two = std::string(post) + "GET /b HTTP/1.0\r\n\r\n";
  auto used = parser.feed(two);
  ASSERT_TRUE(used.ok());
  EXPECT_EQ(*used, post.size());
  static_cast<void>(parser.take());
  ASSERT_TRUE(parser.feed(ByteView(two).substr(*used)).ok());
  ASSERT_TRUE(parser.complete());
  HttpRequest second = parser.take();
  EXPECT_EQ(second.target, "/b");
  EXPECT_FALSE(second.keep_alive);
}

TEST(HttpParser, RefusesWhatIsTooLargeOrNoHttp) {
  HttpParser body({4});
  EXPECT_EQ(body.feed(post).error().code, Errc::too_large);
  HttpParser head({4});
  const std::string long_head =
      "GET / HTTP/1.1\r\nX: " + std::string(HttpParser::head_size_max, 'x') + "\r\n\r\n";
  EXPECT_EQ(head.feed(long_head).error().code, Errc::too_large);
  HttpParser junk({4});
  EXPECT_EQ(junk.feed("what is this\r\n\r\n").error().code, Errc::invalid_argument);
}

TEST(HttpParser, TellsOnceThatThePeerWaits) {
  HttpParser parser({1024});
  ASSERT_TRUE(
      parser.feed("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").ok());
  EXPECT_FALSE(parser.complete());
  EXPECT_TRUE(parser.take_expectation());
  EXPECT_FALSE(parser.take_expectation());
}

TEST(HttpParser, StopsBeforeALargeBodyUntilItHasLeave) {
  const std::string chunked =
      "PUT /a HTTP/1.1\r\nAuthorization: Basic Zzo=\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string sized(post.substr(0, post.size() - 5));
  for (const auto& [head, body] : {std::pair(sized, std::string("hello")),
                                   std::pair(chunked, std::string("5\r\nhello\r\n0\r\n\r\n"))}) {
    HttpParser parser({1024, 4});
    const std::string whole = head + body;
    auto used = parser.feed(whole);
    ASSERT_TRUE(used.ok());
    EXPECT_EQ(*used, head.size());
    EXPECT_TRUE(parser.needs_leave());
    EXPECT_FALSE(parser.complete());
    EXPECT_EQ(parser.authorization(), "Basic Zzo=");
    EXPECT_EQ(*parser.feed(body), 0u);
    parser.give_leave();
    EXPECT_FALSE(parser.needs_leave());
    EXPECT_EQ(*parser.feed(body), body.size());
    ASSERT_TRUE(parser.complete());
    EXPECT_EQ(parser.take().body, "hello");
    // The next one needs leave of its own.
    ASSERT_TRUE(parser.feed(head).ok());
    EXPECT_TRUE(parser.needs_leave());
  }
}

TEST(HttpParser, AsksNoLeaveForASmallBodyOrNone) {
  for (std::string_view whole : {post, std::string_view("GET /b HTTP/1.1\r\n\r\n")}) {
    HttpParser parser({1024, 5});
    ASSERT_TRUE(parser.feed(whole).ok());
    EXPECT_FALSE(parser.needs_leave());
    EXPECT_TRUE(parser.complete());
  }
}

TEST(HttpParser, WelcomesNoBodyWithoutLeave) {
  HttpParser parser({1024, 4});
  ASSERT_TRUE(
      parser.feed("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").ok());
  EXPECT_FALSE(parser.take_expectation());
  parser.give_leave();
  EXPECT_TRUE(parser.take_expectation());
}

TEST(HttpReply, HasItsSizeAndNoBodyWhereNoneMayBe) {
  HttpReply reply{200, "text/plain", "abc", {{"x", "y"}}};
  EXPECT_EQ(encode_http_reply(reply, true, false),
            "HTTP/1.1 200 OK\r\nx: y\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc");
  EXPECT_EQ(encode_http_reply({204, "", "", {}}, false, false),
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
}

}  // namespace
}  // namespace trv::runtime
