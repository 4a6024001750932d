// Glob patterns as Redis matches them: * ? [abc] [^a-z] and \ before a character to take it as it
// is. Time is at most pattern size times text size, whatever the pattern.
#pragma once

#include "base/bytes.h"

namespace trv::redis {

bool glob_match(ByteView pattern, ByteView text, bool ignore_case = false);

}  // namespace trv::redis
