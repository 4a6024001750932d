// The first line of a script, when it begins with "#!": the engine and what the script promises.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::redis {

struct Shebang {
  std::size_t size = 0;    // of the line, without its end, which stays for the numbers of lines
  bool read_only = false;  // no-writes
};

// Errors: invalid_argument, with Redis's words.
Result<Shebang> parse_shebang(ByteView source);

}  // namespace trv::redis
