// Change: what one command changes of keys of this core, gathered and then journaled as a whole:
// all of it or nothing, in one round, so that a crash leaves all of it or nothing, too.
//
//   Change change(call);
//   ByteWriter(change.command(Op::set_add, key)).sized(member);
//   change.remove(other);
//   if (!change.store(Space::more)) return;   // an error reply was written
#pragma once

#include <string>
#include <vector>

#include "redis/handlers/keyed.h"

namespace trv::redis {

using Op = model::KeyspaceOp;

class Change {
 public:
  explicit Change(Call& call) : call_(call) {}

  // A begun command to append to. It goes on with the last one when that is of the same kind and
  // key and not large, so commands whose parts are counted (pops, sets by index) use fresh().
  std::string& command(Op op, ByteView key);
  std::string& fresh(Op op, ByteView key);
  void remove(ByteView key);
  // A stream under the key goes. False after an error reply: it is a queue's log.
  [[nodiscard]] bool replace_stream(ByteView key);
  // The key holds this string, whatever it held, and does not expire.
  void put(ByteView key, ByteView value);
  // `key`, which is missing or removed before, comes to hold what the entry holds.
  void copy(const KeyEntry& entry, ByteView key);
  bool empty() const { return steps_.empty(); }

  // False after an error reply: nothing was changed then.
  [[nodiscard]] bool store(broker::Space space);

 private:
  // A journal entry must fit into a segment.
  static constexpr std::size_t command_size_max = 4u << 20;

  struct Step {
    std::string key;
    std::string command;
    Op op;
  };
  Call& call_;
  std::vector<Step> steps_;
  std::vector<std::string> streams_;  // that go
};

// Begins a change after which the key holds something new: what it holds is removed. False, and an
// error reply, when it is a queue's log.
[[nodiscard]] bool replace_key(Call& call, Change& change, ByteView key);

}  // namespace trv::redis
