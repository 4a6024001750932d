#include "runtime/timer_queue.h"

namespace trv::runtime {

TimerQueue::~TimerQueue() {
  for (auto& entry : heap_) entry->queue = nullptr;
}

bool TimerQueue::before(const TimerEntry& a, const TimerEntry& b) {
  return a.due != b.due ? a.due < b.due : a.order < b.order;
}

void TimerQueue::put(std::size_t place, std::shared_ptr<TimerEntry> entry) {
  entry->place = place;
  heap_[place] = std::move(entry);
}

void TimerQueue::sift_up(std::size_t place) {
  std::shared_ptr<TimerEntry> moving = std::move(heap_[place]);
  while (place > 0) {
    std::size_t parent = (place - 1) / 2;
    if (!before(*moving, *heap_[parent])) break;
    put(place, std::move(heap_[parent]));
    place = parent;
  }
  put(place, std::move(moving));
}

void TimerQueue::sift_down(std::size_t place) {
  std::shared_ptr<TimerEntry> moving = std::move(heap_[place]);
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child])) ++child;
    if (!before(*heap_[child], *moving)) break;
    put(place, std::move(heap_[child]));
    place = child;
  }
  put(place, std::move(moving));
}

void TimerQueue::add(std::shared_ptr<TimerEntry> entry) {
  TRV_ASSERT(entry->queue == nullptr);
  entry->queue = this;
  entry->order = order_++;
  entry->place = heap_.size();
  heap_.push_back(std::move(entry));
  sift_up(heap_.size() - 1);
}

void TimerQueue::remove(TimerEntry& entry) {
  TRV_ASSERT(entry.queue == this);
  std::size_t place = entry.place;
  TRV_ASSERT(place < heap_.size() && heap_[place].get() == &entry);
  entry.queue = nullptr;
  std::shared_ptr<TimerEntry> removed = std::move(heap_[place]);
  std::shared_ptr<TimerEntry> last = std::move(heap_.back());
  heap_.pop_back();
  if (place == heap_.size()) return;
  put(place, std::move(last));
  if (place > 0 && before(*heap_[place], *heap_[(place - 1) / 2])) {
    sift_up(place);
  } else {
    sift_down(place);
  }
}

std::shared_ptr<TimerEntry> TimerQueue::take_due(SteadyTime now) {
  if (heap_.empty() || heap_.front()->due > now) return nullptr;
  std::shared_ptr<TimerEntry> soonest = heap_.front();
  remove(*soonest);
  return soonest;
}

std::optional<SteadyTime> TimerQueue::next_due() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->due;
}

}  // namespace trv::runtime
