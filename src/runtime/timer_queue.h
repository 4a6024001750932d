// TimerQueue: the armed timers of one core, soonest first. A heap whose entries know their place,
// so that cancelling costs O(log n) and leaves nothing behind.
//
// Owner: the core. No clock and no waiting here: the core asks what is due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/core.h"

namespace trv::runtime {

class TimerQueue;

struct TimerEntry {
  SteadyTime due;
  UniqueFunction<void()> work;
  std::uint64_t order = 0;      // of two that are due together, the older goes first
  std::size_t place = 0;        // in the heap
  TimerQueue* queue = nullptr;  // null: not armed
};

class TimerQueue {
 public:
  TimerQueue() = default;
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Requires: not armed.
  void add(std::shared_ptr<TimerEntry> entry);
  // Requires: armed in this queue.
  void remove(TimerEntry& entry);
  // Removes and returns the soonest when it is due at `now`; else null.
  std::shared_ptr<TimerEntry> take_due(SteadyTime now);
  std::optional<SteadyTime> next_due() const;
  std::size_t size() const { return heap_.size(); }

 private:
  static bool before(const TimerEntry& a, const TimerEntry& b);
  void put(std::size_t place, std::shared_ptr<TimerEntry> entry);
  void sift_up(std::size_t place);
  void sift_down(std::size_t place);

  std::vector<std::shared_ptr<TimerEntry>> heap_;
  std::uint64_t order_ = 0;
};

}  // namespace trv::runtime
