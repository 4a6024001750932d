// ReplyWriter: encodes replies in RESP2 or RESP3, appending to a string that the caller owns.
//
// Aggregates are opened with their count and followed by that many values. Where the two versions
// differ, the shape named here is that of RESP3:
//
//   shape        RESP3                 RESP2
//   null         _                     $-1
//   null array   _                     *-1
//   map of n     %n                    *2n
//   set, push    ~n, >n                *n
//   real         ,1.5                  bulk string "1.5"
//   verbatim     =<size+4> txt:...     bulk string
//   boolean      #t #f                 :1 :0
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::redis {

enum class Protocol : std::uint8_t { resp2 = 2, resp3 = 3 };

class ReplyWriter {
 public:
  ReplyWriter(std::string& out, Protocol protocol) : out_(out), protocol_(protocol) {}

  Protocol protocol() const { return protocol_; }
  void set_protocol(Protocol protocol) { protocol_ = protocol; }
  std::string& out() { return out_; }

  void ok() { out_ += "+OK\r\n"; }
  void simple(ByteView text);
  // `text` begins with the error's kind ("ERR ..."). Line ends inside become blanks.
  void error(ByteView text);
  void integer(std::int64_t value);
  void count(std::uint64_t value) { integer(static_cast<std::int64_t>(value)); }
  void bulk(ByteView bytes);
  void bulk_integer(std::int64_t value);
  void id(RecordId id);  // a bulk string
  void null();
  void null_array();
  void boolean(bool value);
  void real(double value);
  void long_real(long double value);  // a real, with up to 17 digits behind the point
  void verbatim(ByteView text);

  void array(std::size_t count) { header('*', count); }
  void map(std::size_t pairs);
  // key -> value in RESP3; in RESP2 an array of pairs, each of which the caller opens itself.
  void map_of_streams(std::size_t pairs) { header(resp3() ? '%' : '*', pairs); }
  void set(std::size_t count) { header(resp3() ? '~' : '*', count); }
  void push(std::size_t count) { header(resp3() ? '>' : '*', count); }

  // Opens an array whose count is known only later: close_array(open_array(), count).
  std::size_t open_array();
  void close_array(std::size_t place, std::size_t count);

  // The same with a guess: when the count turns out to be that, nothing has to move.
  struct Guess {
    std::size_t place;
    std::size_t size;  // of the line
  };
  Guess guess_array(std::size_t count);
  Guess guess_map_of_streams(std::size_t pairs);
  void correct(Guess guess, std::size_t count);

 private:
  bool resp3() const { return protocol_ == Protocol::resp3; }
  void header(char kind, std::uint64_t count);
  void real_digits(ByteView text);

  std::string& out_;
  Protocol protocol_;
};

}  // namespace trv::redis
