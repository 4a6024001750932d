// EventCounts: how many events of each kind there were, and how many a second lately.
//
// What is told as lately is the last interval that is over, so a rate stands still for an interval
// and is 0 when there was nothing for two. Counting is an addition, and a comparison of times.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace trv {

// What was counted, as a plain value: of one place, or of several together.
template <std::size_t kinds>
struct EventTotals {
  std::array<std::uint64_t, kinds> counts{};
  std::array<double, kinds> rates{};  // events a second

  bool any() const {
    for (const std::uint64_t count : counts) {
      if (count != 0) return true;
    }
    return false;
  }
  EventTotals& operator+=(const EventTotals& other) {
    for (std::size_t i = 0; i < kinds; ++i) {
      counts[i] += other.counts[i];
      rates[i] += other.rates[i];
    }
    return *this;
  }
};

// `Event` numbers its kinds from 0, and `count_` is the first behind them.
template <class Event>
class EventCounts {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Totals = EventTotals<static_cast<std::size_t>(Event::count_)>;
  static constexpr std::chrono::seconds interval{5};

  // Times do not descend.
  void add(Event event, Time now, std::uint64_t count = 1) {
    if (now >= ends_) turn(now);
    counts_[static_cast<std::size_t>(event)] += count;
  }

  Totals at(Time now) const {
    EventCounts seen = *this;
    if (now >= ends_) seen.turn(now);
    Totals totals;
    totals.counts = counts_;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      totals.rates[i] = static_cast<double>(seen.begun_[i] - seen.before_[i]) /
                        static_cast<double>(interval.count());
    }
    return totals;
  }

 private:
  using Counts = decltype(Totals::counts);

  void turn(Time now) {
    const auto missed = (now - ends_) / interval;
    before_ = missed == 0 ? begun_ : counts_;
    begun_ = counts_;
    ends_ += (missed + 1) * interval;
  }

  Counts counts_{};
  Counts begun_{};   // when the interval began that ends at ends_
  Counts before_{};  // an interval before
  Time ends_{};
};

}  // namespace trv
