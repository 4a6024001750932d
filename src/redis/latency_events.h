// LatencyEvents: the moments at which this core was held up for long, by kind: what LATENCY tells.
// Nothing is kept unless `latency-monitor-threshold` says from how many milliseconds on.
//
// Owner: the core's Service. Bounded: a few kinds, each with at most `samples_max` samples, one a
// second.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace trv::redis {

namespace latency_event {
inline constexpr std::string_view command = "command";
inline constexpr std::string_view fast_command = "fast-command";
}  // namespace latency_event

class LatencyEvents {
 public:
  static constexpr std::size_t samples_max = 160;

  struct Sample {
    std::int64_t second = 0;  // of Unix time
    std::uint64_t ms = 0;     // the longest of that second
  };
  struct History {
    std::deque<Sample> samples;  // the oldest first
    std::uint64_t ms_max = 0;    // of all, those that are forgotten included
  };
  // By name, so that those of several cores can be joined.
  using Histories = std::map<std::string, History, std::less<>>;

  // 0: nothing is kept.
  std::uint64_t threshold_ms() const { return threshold_ms_; }
  void set_threshold(std::uint64_t ms) { threshold_ms_ = ms; }

  void consider(std::string_view event, WallTime now, std::chrono::nanoseconds took);
  const Histories& histories() const { return histories_; }
  // Forgets these, or all when none is named. Result: those that there were.
  std::vector<std::string> reset(const std::vector<std::string>& events);

  // Joins what two cores have seen.
  static void join(Histories& all, const Histories& more);

 private:
  std::uint64_t threshold_ms_ = 0;
  Histories histories_;
};

}  // namespace trv::redis
