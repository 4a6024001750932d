// Shipping: the room that replies take on their way from the core of a command's keys to the core
// of its client: bounded for all of them together (runtime::AnswerRoom). Who finds none does not
// send the command yet.
//
// Owner: the Service of the client's core; used on its thread only.
//
// How large a reply will be is not known before; what was seen of late is taken for it, and much as
// long as little was seen. So a burst of large ones behind small ones is bounded by its count only.
#pragma once

#include "base/function.h"
#include "runtime/answer_room.h"

namespace trv::redis {

class Shipping {
 public:
  // The core's limits have been set.
  explicit Shipping(runtime::Core& core);

  // Room that a reply of unknown size should have.
  std::size_t expected() const { return expected_; }

  // Takes room for `size` bytes, at once if there is some, or later: then `entered` is called.
  bool try_enter(std::size_t size) { return room_.try_enter(size); }
  void enter_later(std::size_t size, UniqueFunction<void()> entered);

  // `held` is given back, by the core that the client is on.
  void leave(std::size_t held) { room_.leave(held); }
  // The same when a reply of `size` bytes is here.
  void arrived(std::size_t held, std::size_t size);

 private:
  runtime::AnswerRoom room_;
  const std::size_t expected_min_;
  std::size_t expected_;
};

}  // namespace trv::redis
