// What the commands about keys share: finding, changing and timing keys of the keyspace.
#pragma once

#include <limits>

#include "broker/keyspaces.h"
#include "broker/topics.h"
#include "redis/service.h"

namespace trv::redis {

// What storing a key takes in the journal besides its name and value, for each of them.
inline constexpr std::uint64_t put_overhead_max = 64;

using KeyEntry = model::Keyspace::Entry;

// As TYPE and SCAN call it.
std::string_view type_name(model::ValueType type);

// The durability of keys is the server's.
inline broker::Commit commit_of_mark(const broker::Broker& broker, std::uint64_t mark) {
  return {mark, broker.options().durability};
}

// The reply shows the key as an earlier change made it.
inline void shows(Call& call, const model::Keyspace& keyspace, ByteView key,
                  const KeyEntry* entry) {
  if (!entry && call.service.key_events().wants(key_event::miss) &&
      !call.broker.topics().find(key)) {
    call.service.key_events().note_miss(call, key);
  }
  std::uint64_t mark = entry ? entry->mark : keyspace.mark_of(key);
  if (mark != 0) call.wait_for_shown(commit_of_mark(call.broker, mark));
}

// The key is in use, for OBJECT IDLETIME.
inline void note_use(const Call& call, const KeyEntry* entry) {
  if (entry && !call.caller.no_touch) entry->used = call.now;
}

struct FoundString {
  const KeyEntry* entry = nullptr;  // of a string
  bool refused = false;             // the key holds something else, and the reply says so
};
FoundString find_string(Call& call, ByteView key);

template <class T>
struct Found {
  const KeyEntry* entry = nullptr;  // null: the key is missing
  const T* value = nullptr;
  bool refused = false;  // the key holds something else, and the reply says so
};

// A collection: one of model::List, Set, Hash, SortedSet.
template <class T>
Found<T> find_collection(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  const T* value = entry ? entry->value.as<T>() : nullptr;
  if (!value && (entry || call.broker.topics().find(key))) {
    call.reply.error(text::wrong_type);
    return {nullptr, nullptr, true};
  }
  shows(call, keyspace, key, entry);
  note_use(call, entry);
  return {entry, value, false};
}

// False, and an error reply, when it cannot be stored; so do the next two.
bool execute(Call& call, broker::Space space, ByteView key, ByteView command);

[[nodiscard]] bool put_string(Call& call, ByteView key, ByteView value,
                              std::optional<WallTime> expires);
[[nodiscard]] bool remove_key(Call& call, ByteView key);

// False when the broker can not write; the reply says so.
bool may_write(Call& call);

// A queue's log is not for this protocol to delete.
inline constexpr std::string_view queue_stays =
    "ERR the key is a queue, which only its own protocol deletes";
bool has_queues(const broker::Topic& topic);

// A stream under the key goes, since something of another type takes its place, which takes `size`
// bytes in the journal. False after an error reply: nothing has changed then.
[[nodiscard]] bool replace_stream(Call& call, ByteView key, std::uint64_t size);

// An expiry argument in its unit, as an absolute time. Nothing, and an error reply, when it is not
// an integer or makes no time.
struct TimeUnit {
  bool seconds;
  bool absolute;
};
// EX, PX, EXAT or PXAT.
std::optional<TimeUnit> expiry_word(ByteView arg);
std::optional<WallTime> expiry_arg(Call& call, std::size_t index, TimeUnit unit,
                                   bool positive_only);

inline constexpr std::size_t reply_bytes_max = std::size_t{256} << 20;

// True when what was written since `start` has become too large a reply; it is replaced by an
// error.
bool reply_too_large(Call& call, std::size_t start);

// The count argument of pops: positive_only refuses 0. Nothing after an error reply.
std::optional<std::int64_t> positive_arg(Call& call, std::size_t index);
std::optional<double> real_arg(Call& call, std::size_t index);
// The count of random members: negative for repetitions.
std::optional<std::int64_t> random_count_arg(Call& call, std::size_t index);
// Whether twice as many can still be counted.
inline bool halved_fits(std::int64_t count) {
  constexpr std::int64_t half = std::numeric_limits<std::int64_t>::max() / 2;
  return count >= -half && count <= half;
}

}  // namespace trv::redis
