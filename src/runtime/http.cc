#include "runtime/http.h"

#include <fmt/format.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

namespace trv::runtime {

namespace {

namespace http = boost::beast::http;

using Parser = http::request_parser<http::string_body>;

std::string text_of(boost::core::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpParser::State {
  explicit State(Limits the_limits) : limits(the_limits) { begin(); }

  void begin() {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(head_size_max));
    parser->body_limit(limits.body_size_max);
    // What of a body is claimed is set aside as soon as the parser goes on behind the head.
    parser->eager(false);
    expectation_seen = false;
    leave_given = false;
  }

  const Limits limits;
  std::optional<Parser> parser;
  bool expectation_seen = false;
  bool leave_given = false;
};

HttpParser::HttpParser(Limits limits) : state_(std::make_unique<State>(limits)) {}
HttpParser::~HttpParser() = default;

Result<std::size_t> HttpParser::feed(ByteView bytes) {
  std::size_t done = 0;
  while (done < bytes.size() && !complete() && !needs_leave()) {
    boost::system::error_code failure;
    const std::size_t used = state_->parser->put(
        boost::asio::const_buffer(bytes.data() + done, bytes.size() - done), failure);
    done += used;
    if (failure == http::error::need_more) break;
    if (failure == http::error::header_limit || failure == http::error::body_limit ||
        failure == http::error::buffer_overflow) {
      return Error{Errc::too_large, "the request is too large"};
    }
    if (failure) return Error{Errc::invalid_argument, failure.message()};
    if (used == 0) break;
  }
  return done;
}

bool HttpParser::complete() const { return state_->parser->is_done(); }

bool HttpParser::take_expectation() {
  if (state_->expectation_seen || complete() || !state_->parser->is_header_done()) return false;
  if (needs_leave()) return false;
  state_->expectation_seen = true;
  const auto& fields = state_->parser->get();
  return boost::beast::iequals(fields[http::field::expect], "100-continue");
}

bool HttpParser::needs_leave() const {
  const Parser& parser = *state_->parser;
  if (state_->leave_given || !parser.is_header_done() || parser.is_done()) return false;
  const auto size = parser.content_length();
  return !size || *size > state_->limits.body_size_free;
}

void HttpParser::give_leave() { state_->leave_given = true; }

std::string HttpParser::authorization() const {
  return text_of(state_->parser->get()[http::field::authorization]);
}

HttpRequest HttpParser::take() {
  HttpRequest request;
  Parser::value_type message = state_->parser->release();
  request.method = text_of(message.method_string());
  request.target = text_of(message.target());
  request.authorization = text_of(message[http::field::authorization]);
  request.reason = text_of(message["x-reason"]);
  request.keep_alive = message.keep_alive();
  request.body = std::move(message.body());
  state_->begin();
  return request;
}

std::string encode_http_reply(const HttpReply& reply, bool keep_alive, bool without_body) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(reply.status));
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, text_of(reason));
  for (const auto& [name, value] : reply.headers) out += fmt::format("{}: {}\r\n", name, value);
  if (!reply.content_type.empty()) out += fmt::format("content-type: {}\r\n", reply.content_type);
  // 204 has no body, and must not speak of one.
  if (reply.status != 204) out += fmt::format("content-length: {}\r\n", reply.body.size());
  if (!keep_alive) out += "connection: close\r\n";
  out += "\r\n";
  if (!without_body && reply.status != 204) out += reply.body;
  return out;
}

}  // namespace trv::runtime
