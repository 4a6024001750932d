#include "runtime/answer_room.h"

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::runtime {

bool AnswerRoom::fits(std::size_t size) const {
  if (TRV_MUTANT(answer_room_endless)) return true;
  return !exceeded_ && (held_ == 0 || held_ + size <= core_.unsent_room());
}

void AnswerRoom::take(std::size_t size) {
  held_ += size;
  exceeded_ = exceeded_ || held_ > core_.unsent_room();
}

bool AnswerRoom::try_enter(std::size_t size) {
  if (!waiters_.empty() || !fits(size)) return false;
  take(size);
  return true;
}

void AnswerRoom::enter_later(std::size_t size, UniqueFunction<bool()> entered) {
  waiters_.push_back({size, std::move(entered)});
  // Else who is there leaves.
  if (held_ == 0) admit_later();
}

void AnswerRoom::leave(std::size_t size) {
  TRV_ASSERT(held_ >= size);
  held_ -= size;
  if (exceeded_ || !waiters_.empty()) admit_later();
}

void AnswerRoom::admit_later() {
  if (admitting_) return;
  admitting_ = true;
  core_.post([this] {
    admitting_ = false;
    admit();
  });
}

void AnswerRoom::admit() {
  if (held_ == 0) exceeded_ = false;
  while (!waiters_.empty() && fits(waiters_.front().size)) {
    Waiter next = std::move(waiters_.front());
    waiters_.pop_front();
    take(next.size);
    if (!next.entered()) leave(next.size);
  }
}

}  // namespace trv::runtime
