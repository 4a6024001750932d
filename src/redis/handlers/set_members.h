// The members of a set in the order in which clients see them.
#pragma once

#include <vector>

#include "model/values/set.h"

namespace trv::redis {

// Up to this many integers are told in ascending order, as Redis keeps them.
inline constexpr std::size_t integer_set_max = 512;

// Views into the set's members.
std::vector<ByteView> ordered_members(const model::Set& set);

}  // namespace trv::redis
