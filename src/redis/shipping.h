// Shipping: the way of commands from the core of their client to the core of their keys, in the
// order in which they were sent, and the room that their replies take on the way back: bounded for
// all of them together (runtime::AnswerRoom).
//
// Owner: the Service of the client's core; used on its thread only.
//
// How large a reply will be is not known before; what was seen of late is taken for it, and much as
// long as little was seen.
#pragma once

#include <optional>
#include <utility>

#include "base/ids.h"
#include "broker/broker.h"
#include "runtime/answer_room.h"

namespace trv::redis {

class Shipping {
 public:
  explicit Shipping(broker::Broker& broker) : broker_(broker), room_(broker.core()) {}

  // Room that a reply of unknown size should have.
  std::size_t expected();

  // Runs `work` with the Broker of `owner`, behind what was shipped before, as soon as there is
  // room for `size` bytes. `wanted`: whether it still is to run then; else its room is left.
  template <class Wanted, class Work>
  void ship(CoreIndex owner, std::size_t size, Wanted wanted, Work work);

  // `held` is given back, by the core that the client is on.
  void leave(std::size_t held) { room_.leave(held); }
  // The same when a reply of `size` bytes is here.
  void arrived(std::size_t held, std::size_t size);

 private:
  broker::Broker& broker_;
  runtime::AnswerRoom room_;
  std::optional<std::size_t> expected_;
};

template <class Wanted, class Work>
void Shipping::ship(CoreIndex owner, std::size_t size, Wanted wanted, Work work) {
  if (room_.try_enter(size)) return broker_.at_core(owner, std::move(work));
  room_.enter_later(size,
                    [this, owner, wanted = std::move(wanted), work = std::move(work)]() mutable {
                      if (!wanted()) return false;
                      broker_.at_core(owner, std::move(work));
                      return true;
                    });
}

}  // namespace trv::redis
