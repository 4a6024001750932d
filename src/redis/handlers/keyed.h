// What the string and key commands share: finding, changing and timing keys of the keyspace.
#pragma once

#include "broker/keyspaces.h"
#include "broker/topics.h"
#include "redis/service.h"

namespace trv::redis {

// What storing a key takes in the journal besides its name and value, for each of them.
inline constexpr std::uint64_t put_overhead_max = 64;

using KeyEntry = model::Keyspace::Entry;

// The durability of keys is the server's.
inline broker::Commit commit_of_mark(const broker::Broker& broker, std::uint64_t mark) {
  return {mark, broker.options().durability};
}

// The reply shows the key as an earlier change made it.
inline void shows(Call& call, const model::Keyspace& keyspace, ByteView key,
                  const KeyEntry* entry) {
  std::uint64_t mark = entry ? entry->mark : keyspace.mark_of(key);
  if (mark != 0) call.wait_for_shown(commit_of_mark(call.broker, mark));
}

struct FoundString {
  const KeyEntry* entry = nullptr;
  bool refused = false;  // the name holds a stream, and the reply says so
};

inline FoundString find_string(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (!entry && call.broker.topics().find(key)) {
    call.reply.error(text::wrong_type);
    return {nullptr, true};
  }
  shows(call, keyspace, key, entry);
  return {entry, false};
}

// False, and an error reply, when it cannot be stored; so do the next two.
inline bool execute(Call& call, broker::Space space, ByteView key, ByteView command) {
  return call.wait_for(call.broker.keyspaces().execute(space, key, command));
}

[[nodiscard]] inline bool put_string(Call& call, ByteView key, ByteView value,
                                     std::optional<WallTime> expires) {
  std::string& command = call.service.scratch();
  model::Keyspace::encode_put(command, key, value, expires);
  return execute(call, broker::Space::more, key, command);
}

[[nodiscard]] inline bool remove_string(Call& call, ByteView key) {
  std::string& command = call.service.scratch();
  model::Keyspace::encode_remove(command, key);
  return execute(call, broker::Space::less, key, command);
}

// False when the broker can not write; the reply says so.
inline bool may_write(Call& call) {
  Status writable = call.broker.writable();
  if (writable) return true;
  call.reply.error(error_text(writable.error()));
  return false;
}

// An expiry argument in its unit, as an absolute time. Nothing, and an error reply, when it is not
// an integer or makes no time.
struct TimeUnit {
  bool seconds;
  bool absolute;
};
std::optional<WallTime> expiry_arg(Call& call, std::size_t index, TimeUnit unit,
                                   bool positive_only);

}  // namespace trv::redis
