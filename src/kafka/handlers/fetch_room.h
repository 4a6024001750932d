// FetchRoom: bounds what fetches have read and not yet handed to their connections, by what the
// connections of this core may leave unsent (docs/decisions/0010).
//
// Owner: the core's Service. What is read on another core holds its room until it has come here,
// also when its connection has ended meanwhile.
//
// Invariant: a read that is larger than the room is alone, and none follows in the same round of
// the core: what it has read is sent or dropped by then.
#pragma once

#include <cstddef>
#include <deque>

#include "base/function.h"
#include "runtime/core.h"

namespace trv::kafka {

class FetchRoom {
 public:
  explicit FetchRoom(runtime::Core& core) : core_(core) {}

  // What may be read at once for a client that asks for `wanted`: little, while others leave much
  // untaken.
  std::size_t limit(std::size_t wanted) const { return core_.unsent_limit(wanted); }

  // Takes room for `size` bytes. False: there is none, or others wait for it.
  bool try_enter(std::size_t size);
  // Takes it as soon as there is, in the order of the calls, and calls `entered` then, in a later
  // handler of the core.
  void enter_later(std::size_t size, UniqueFunction<void()> entered);
  // What was read has been handed to its connection, or dropped.
  void leave(std::size_t size);

 private:
  struct Waiter {
    std::size_t size;
    UniqueFunction<void()> entered;
  };
  bool fits(std::size_t size) const;
  void take(std::size_t size);
  void admit_later();
  void admit();

  runtime::Core& core_;
  std::size_t held_ = 0;
  bool exceeded_ = false;  // by a read that is alone, or was in this round
  bool admitting_ = false;
  std::deque<Waiter> waiters_;
};

}  // namespace trv::kafka
