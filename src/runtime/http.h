// HTTP/1.1 without a socket: bytes to requests, and replies to bytes. The one place that includes
// Boost.Beast.
//
// Owner: the connection that reads the bytes, on its core. Nothing here suspends.
//
// Limits: HttpParser::head_size_max and the body's, which the owner gives; what is larger is
// refused before it is kept. Nothing is kept of a body above a size of the owner's choice before
// the owner gives leave: so a stranger holds little.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::runtime {

struct HttpRequest {
  std::string method;  // as sent: "GET"
  std::string target;  // path and query, still encoded
  std::string authorization;
  std::string reason;  // of header X-Reason
  std::string body;
  bool keep_alive = true;
};

struct HttpReply {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
};

class HttpParser {
 public:
  static constexpr std::size_t head_size_max = 16u << 10;

  struct Limits {
    std::size_t body_size_max;
    std::size_t body_size_free = body_size_max;  // larger ones need leave
  };

  explicit HttpParser(Limits limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Looks at `bytes`, which begin where the last call stopped. Result: how many are done with; call
  // again with more behind the others. Stops at the end of a request, and where its body needs
  // leave. Errors: invalid_argument (no HTTP), too_large; the connection is of no use then.
  Result<std::size_t> feed(ByteView bytes);
  bool complete() const;
  // The head is whole, and the body that follows is large, or nobody knows how large.
  bool needs_leave() const;
  void give_leave();
  // Of the request that is being read. Requires: needs_leave().
  std::string authorization() const;
  // The peer waits to be told that its body is welcome ("100 Continue"). True once.
  bool take_expectation();
  // The next request begins. Requires: complete().
  HttpRequest take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

inline constexpr std::string_view http_continue = "HTTP/1.1 100 Continue\r\n\r\n";

// `without_body`: as an answer to HEAD, which tells the body's size only.
std::string encode_http_reply(const HttpReply& reply, bool keep_alive, bool without_body);

}  // namespace trv::runtime
