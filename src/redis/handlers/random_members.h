// Random members of a collection, as SRANDMEMBER, HRANDFIELD and ZRANDMEMBER ask for them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <unordered_set>
#include <vector>

#include "redis/handlers/keyed.h"

namespace trv::redis {

// How many members a negative count asks for. Nothing, and an error reply, when even empty ones
// would make too large a reply: it must not be built first.
inline std::optional<std::size_t> repeated_count(Call& call, std::int64_t count) {
  constexpr std::size_t member_size_min = 6;  // "$0", and two line ends
  auto times = static_cast<std::uint64_t>(-count);
  if (times <= reply_bytes_max / member_size_min) return static_cast<std::size_t>(times);
  call.reply.error(text::reply_too_large);
  return std::nullopt;
}

// `count` different indexes below `size`, all of them when there are not more. In any order.
inline std::vector<std::size_t> distinct_indexes(std::mt19937_64& random, std::size_t size,
                                                 std::size_t count) {
  std::vector<std::size_t> indexes;
  if (count >= size || count * 3 > size) {
    indexes.resize(size);
    std::iota(indexes.begin(), indexes.end(), std::size_t{0});
    if (count >= size) return indexes;
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(indexes[i], indexes[i + random() % (size - i)]);
    }
    indexes.resize(count);
    return indexes;
  }
  std::unordered_set<std::size_t> taken;
  while (indexes.size() < count) {
    std::size_t index = random() % size;
    if (taken.insert(index).second) indexes.push_back(index);
  }
  return indexes;
}

}  // namespace trv::redis
