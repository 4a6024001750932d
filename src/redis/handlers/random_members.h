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

// As many of a collection's members as a count asks for: `begin(count)` begins the array, and
// `write(index)` writes one of them.
template <class Begin, class Write>
void write_random(Call& call, std::size_t size, std::int64_t count, Begin&& begin, Write&& write) {
  const std::size_t start = call.reply.out().size();
  auto& random = call.service.random();
  if (count >= 0) {
    const auto chosen = distinct_indexes(random, size, static_cast<std::size_t>(count));
    begin(chosen.size());
    for (std::size_t index : chosen) write(index);
    reply_too_large(call, start);
    return;
  }
  const std::optional<std::size_t> times = repeated_count(call, count);
  if (!times) return;
  begin(*times);
  for (std::size_t i = 0; i < *times; ++i) {
    write(random() % size);
    if (reply_too_large(call, start)) return;
  }
}

// The rest of HRANDFIELD and ZRANDMEMBER: a count, and perhaps this word. Nothing after an error
// reply.
struct RandomCount {
  std::int64_t count = 0;
  bool with_values = false;
};
inline std::optional<RandomCount> random_count_args(Call& call, std::string_view word) {
  const std::optional<std::int64_t> count = random_count_arg(call, 2);
  if (!count) return std::nullopt;
  const bool with_values = call.args.size() == 4 && is_word(call.args[3], word);
  if (call.args.size() > 3 && !with_values) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  if (with_values && !halved_fits(*count)) {
    call.reply.error(text::out_of_range);
    return std::nullopt;
  }
  return RandomCount{*count, with_values};
}

}  // namespace trv::redis
