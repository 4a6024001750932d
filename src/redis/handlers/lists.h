// What the list commands share with those that move elements and wait for them.
#pragma once

#include "redis/handlers/change.h"

namespace trv::redis {

enum class End : std::uint8_t { front, back };

// LEFT or RIGHT; nothing after an error reply.
std::optional<End> end_arg(Call& call, std::size_t index);
inline Op push_op(End end) { return end == End::front ? Op::push_front : Op::push_back; }
inline Op pop_op(End end) { return end == End::front ? Op::pop_front : Op::pop_back; }
// The element that is popped as number `index` from that end. Requires: it is there.
inline const std::string& from_end(const model::List& list, End end, std::size_t index) {
  return list.at(end == End::front ? index : list.size() - 1 - index);
}
// Replies with `count` popped elements as an array and pops them. Requires: they are there.
void pop_many(Call& call, ByteView key, const model::List& list, End end, std::size_t count);

// Where a blocking command looks next at one of its keys.
template <class T>
struct PopSource {
  const T* value = nullptr;
  bool refused = false;  // an error reply was written
};

// The collection to pop from; null when it is empty, missing, or, while waiting, of another type.
template <class T>
PopSource<T> find_source(Call& call, ByteView key) {
  if (call.retry) {
    const KeyEntry* entry = call.broker.keyspaces().of(key).find(key, call.now);
    if (!entry || !entry->value.as<T>()) return {};
  }
  Found<T> found = find_collection<T>(call, key);
  return {found.value, found.refused};
}

// Seconds with fractions. Nothing after an error reply.
std::optional<std::chrono::milliseconds> seconds_arg(Call& call, std::size_t index);
// Makes the call wait for its keys; or, where it must not, answers as if time had run out.
void wait_for_keys(Call& call, std::span<const ByteView> keys, std::chrono::milliseconds timeout,
                   std::string_view tag);

// numkeys key [key ...] where [MIN|MAX or LEFT|RIGHT] [COUNT n] follow. Nothing after an error.
struct CountedKeys {
  std::span<const ByteView> keys;
  std::size_t next = 0;  // index of the argument behind the keys
};
std::optional<CountedKeys> counted_keys(Call& call, std::size_t count_index);
// COUNT n at the end of MPOP commands, 1 when it is missing.
std::optional<std::size_t> pop_count_arg(Call& call, std::size_t index);

}  // namespace trv::redis
