// UTF-8: what is, and what can be made of what is not.
#pragma once

#include <string>

#include "base/bytes.h"

namespace trv {

// The length of the well-formed sequence at the start of `bytes`; 0 when there is none. No
// over-long forms, no surrogates. Requires: not empty.
std::size_t utf8_sequence_size(ByteView bytes);
bool is_valid_utf8(ByteView bytes);
// With the replacement character for each octet that is no part of a sequence.
std::string to_valid_utf8(ByteView bytes);

}  // namespace trv
