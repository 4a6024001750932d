// AnswerRoom: bounds what is on its way to the connections of a core and not in their output queues
// yet, such as what other cores read for them, by what these may leave unsent
// (docs/decisions/0010).
//
// Owner: a protocol's service of the core; used on its thread only. What is on its way holds its
// room until it is here, also when its connection has ended meanwhile.
//
// Invariant: what is larger than the room is alone, and nothing follows in the same round of the
// core: it is sent or dropped by then.
#pragma once

#include <cstddef>
#include <deque>

#include "base/function.h"
#include "runtime/core.h"

namespace trv::runtime {

class AnswerRoom {
 public:
  explicit AnswerRoom(Core& core) : core_(core) {}

  // Takes room for `size` bytes. False: there is none, or others wait for it.
  bool try_enter(std::size_t size);
  // Takes it as soon as there is, in the order of the calls, and calls `entered` then, in a later
  // handler of the core. It answers false when it has no use for the room any more, which is left.
  void enter_later(std::size_t size, UniqueFunction<bool()> entered);
  // It has been handed to its connection, or dropped.
  void leave(std::size_t size);

 private:
  struct Waiter {
    std::size_t size;
    UniqueFunction<bool()> entered;
  };
  bool fits(std::size_t size) const;
  void take(std::size_t size);
  void admit_later();
  void admit();

  Core& core_;
  std::size_t held_ = 0;
  bool exceeded_ = false;  // by one that is alone, or was in this round
  bool admitting_ = false;
  std::deque<Waiter> waiters_;
};

}  // namespace trv::runtime
