#include "redis/shipping.h"

#include <algorithm>
#include <utility>

namespace trv::redis {
namespace {

// Of replies of unknown size that are on their way together, at first.
constexpr std::size_t unknown_max = 32;

}  // namespace

std::size_t Shipping::expected() {
  if (!expected_) expected_ = broker_.core().unsent_room() / unknown_max;
  return *expected_;
}

void Shipping::enter_later(std::size_t size, UniqueFunction<void()> entered) {
  room_.enter_later(size, [entered = std::move(entered)]() mutable {
    entered();
    return true;
  });
}

void Shipping::arrived(std::size_t held, std::size_t size) {
  expected_ = std::max(size, expected() - expected() / 8);
  room_.leave(held);
}

}  // namespace trv::redis
