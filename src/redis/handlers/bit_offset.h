// The place of a bit in a string value.
#pragma once

#include "redis/service.h"

namespace trv::redis {

// A number of bits; or, with a `width` and a leading '#', of fields of that width. Nothing, and an
// error reply, when it lies beyond the largest string.
std::optional<std::uint64_t> bit_offset_arg(Call& call, ByteView text, unsigned width);

}  // namespace trv::redis
