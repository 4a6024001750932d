#include "redis/shipping.h"

#include <algorithm>
#include <utility>

namespace trv::redis {
namespace {

// Of replies of unknown size that are on their way together: at first, and later, when what came
// was small.
constexpr std::size_t unknown_max = 8;
constexpr std::size_t together_max = 1024;
// So many small ones make a large one half forgotten, about.
constexpr std::size_t memory = 64;

}  // namespace

Shipping::Shipping(runtime::Core& core)
    : room_(core),
      expected_min_(core.unsent_room() / together_max),
      expected_(core.unsent_room() / unknown_max) {}

void Shipping::enter_later(std::size_t size, UniqueFunction<void()> entered) {
  room_.enter_later(size, [entered = std::move(entered)]() mutable {
    entered();
    return true;
  });
}

void Shipping::arrived(std::size_t held, std::size_t size) {
  expected_ = std::max({size, expected_ - expected_ / memory, expected_min_});
  room_.leave(held);
}

}  // namespace trv::redis
