// The RESP request parser under arbitrary bytes, cut at an arbitrary place: the same requests must
// come out as from the whole, and every argument must lie in the input or in the parser.
#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"
#include "redis/wire/glob.h"
#include "redis/wire/number.h"
#include "redis/wire/request_parser.h"

namespace {

using trv::redis::RequestParser;

struct Parsed {
  std::vector<std::string> args;  // with an empty one after each request
  std::string error;
  bool operator==(const Parsed&) const = default;
};

Parsed parse(std::string_view input, std::size_t cut, bool authenticated) {
  RequestParser parser;
  Parsed parsed;
  std::string buffer(input.substr(0, cut));
  bool whole = false;
  for (;;) {
    const std::string_view key = RequestParser::peek_key(buffer);
    TRV_ASSERT(key.empty() || key.data() + key.size() <= buffer.data() + buffer.size());
    RequestParser::Outcome outcome = parser.next(buffer, authenticated);
    if (outcome == RequestParser::Outcome::error) {
      parsed.error = parser.error();
      return parsed;
    }
    if (outcome == RequestParser::Outcome::request) {
      for (std::string_view arg : parser.args()) {
        parsed.args.emplace_back(arg);
        trv::redis::parse_integer(arg);
        trv::redis::parse_id(arg, trv::redis::MissingSeq::max);
      }
      if (parser.args().size() == 2) trv::redis::glob_match(parser.args()[0], parser.args()[1]);
      parsed.args.emplace_back();
    }
    TRV_ASSERT(parser.consumed() <= buffer.size());
    buffer.erase(0, parser.consumed());
    if (outcome != RequestParser::Outcome::need_more) continue;
    TRV_ASSERT(parser.wanted() > buffer.size());
    if (whole) return parsed;
    whole = true;
    buffer += input.substr(cut);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  bool authenticated = (data[0] & 1) != 0;
  std::size_t cut = input.empty() ? 0 : data[1] % (input.size() + 1);
  TRV_ASSERT(parse(input, cut, authenticated) == parse(input, input.size(), authenticated));
  return 0;
}
