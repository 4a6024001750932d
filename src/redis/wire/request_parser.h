// RequestParser: splits what a Redis client sends into requests.
//
// Source: the RESP specification (redis.io/docs/reference/protocol-spec), and the limits and error
// texts of Redis 7. Owner: the connection. No sockets, no policy.
//
//   array form:  *<count>\r\n  then count times  $<size>\r\n<bytes>\r\n
//   inline form: words separated by blanks, quoted "with \n \x41 escapes" or 'plainly', ended by \n
//
// Arguments are views into the input, or (inline, when quoted) into the parser; they are valid
// until the next call of next() and while the input stays where it is. Empty requests (`*0`, `*-1`,
// an empty line) are skipped without a word.
//
// Invariants:
//   - after need_more, the next input begins with the same bytes; nothing is parsed twice but the
//     line or bulk header that was cut;
//   - memory for arguments grows with the bytes that came, never with a count that was claimed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace trv::redis {

struct RequestLimits {
  std::int64_t argument_count_max = 0x7fffffff;
  std::int64_t bulk_size_max = std::int64_t{64} << 20;    // bytes of one argument
  std::size_t request_size_max = std::size_t{256} << 20;  // bytes of all arguments
  std::size_t line_size_max = std::size_t{64} << 10;      // inline request, or a count or size line
  // Before login.
  std::int64_t unauthenticated_argument_count_max = 10;
  std::int64_t unauthenticated_bulk_size_max = 16384;
};

class RequestParser {
 public:
  enum class Outcome : std::uint8_t {
    need_more,  // the input ends within a request
    request,    // args() holds one; consumed() bytes are done with
    error,      // error() says why; the connection cannot go on
  };

  explicit RequestParser(RequestLimits limits = {}) : limits_(limits) {}

  Outcome next(ByteView input, bool authenticated);

  // The second argument of the request that `input` begins with, where that is there and of the
  // usual form, else nothing: a guess at the key, made without parsing the request.
  static ByteView peek_key(ByteView input);

  // After `request`.
  std::span<const ByteView> args() const { return args_; }
  // After `request`: size of the request at the front of the input, with empty ones before it.
  // After `need_more`: bytes of empty requests that may be dropped. The caller drops them.
  std::size_t consumed() const { return consumed_; }
  // After `error`: the text of the reply, without the leading '-'.
  const std::string& error() const { return error_; }
  // After `need_more`: how many bytes (from the front, after dropping consumed()) it takes at
  // least.
  std::size_t wanted() const { return wanted_; }

  void set_bulk_size_max(std::int64_t bytes) { limits_.bulk_size_max = bytes; }
  const RequestLimits& limits() const { return limits_; }

 private:
  // Found arguments as places relative to the start of the request, which may move between calls.
  struct Place {
    std::size_t position;
    std::size_t size;
  };
  enum class Step : std::uint8_t { done, skip, more, failed };

  Step parse_inline(ByteView input);
  Step parse_array(ByteView input, bool authenticated);
  Step parse_array_header(ByteView input, bool authenticated);
  Step parse_bulk(ByteView input, bool authenticated);
  bool take_usual_bulk_header(ByteView input);
  bool split_words(ByteView line);
  Step fail(std::string_view reason);
  void reset();

  RequestLimits limits_;
  std::vector<ByteView> args_;
  std::vector<Place> places_;
  std::string unquoted_;  // inline arguments
  std::string error_;
  std::size_t consumed_ = 0;
  std::size_t wanted_ = 1;
  // The request under way.
  std::int64_t left_ = -1;       // arguments still to come; -1: no header yet
  std::int64_t bulk_size_ = -1;  // of the argument under way; -1: no header yet
  std::size_t at_ = 0;           // parsed up to here
};

}  // namespace trv::redis
