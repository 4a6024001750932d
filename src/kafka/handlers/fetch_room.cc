#include "kafka/handlers/fetch_room.h"

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::kafka {

bool FetchRoom::fits(std::size_t size) const {
  if (TRV_MUTANT(fetch_room_endless)) return true;
  return !exceeded_ && (held_ == 0 || held_ + size <= core_.unsent_room());
}

void FetchRoom::take(std::size_t size) {
  held_ += size;
  exceeded_ = exceeded_ || held_ > core_.unsent_room();
}

bool FetchRoom::try_enter(std::size_t size) {
  if (!waiters_.empty() || !fits(size)) return false;
  take(size);
  return true;
}

void FetchRoom::enter_later(std::size_t size, UniqueFunction<void()> entered) {
  waiters_.push_back({size, std::move(entered)});
}

void FetchRoom::leave(std::size_t size) {
  TRV_ASSERT(held_ >= size);
  held_ -= size;
  if (exceeded_ || !waiters_.empty()) admit_later();
}

void FetchRoom::admit_later() {
  if (admitting_) return;
  admitting_ = true;
  core_.post([this] {
    admitting_ = false;
    admit();
  });
}

void FetchRoom::admit() {
  if (held_ == 0) exceeded_ = false;
  while (!waiters_.empty() && fits(waiters_.front().size)) {
    Waiter next = std::move(waiters_.front());
    waiters_.pop_front();
    take(next.size);
    next.entered();
  }
}

}  // namespace trv::kafka
