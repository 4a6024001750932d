// QueueLimits: how much of a queue may be ready at once, and what happens to what is too much.
#pragma once

#include <cstdint>
#include <optional>

namespace trv::model {

enum class Overflow : std::uint8_t {
  drop_oldest = 0,             // the next to be delivered goes
  refuse = 1,                  // the new record is not taken
  refuse_to_dead_letters = 2,  // the same, and it becomes a dead letter
};

struct QueueLimits {
  std::optional<std::uint64_t> count_max;
  std::optional<std::uint64_t> bytes_max;  // of bodies
  Overflow overflow = Overflow::drop_oldest;

  bool any() const { return count_max || bytes_max; }
  bool refuses() const { return any() && overflow != Overflow::drop_oldest; }
  bool exceeded_by(std::uint64_t count, std::uint64_t bytes) const {
    return (count_max && count > *count_max) || (bytes_max && bytes > *bytes_max);
  }
  bool operator==(const QueueLimits&) const = default;
};

}  // namespace trv::model
