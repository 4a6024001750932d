#include "redis/latency_events.h"

#include <algorithm>
#include <utility>

namespace trv::redis {

namespace {

void keep_newest(std::deque<LatencyEvents::Sample>& samples) {
  while (samples.size() > LatencyEvents::samples_max) samples.pop_front();
}

}  // namespace

void LatencyEvents::consider(std::string_view event, WallTime now, std::chrono::nanoseconds took) {
  if (threshold_ms_ == 0) return;
  const auto ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  if (ms < threshold_ms_) return;
  History& history = histories_[std::string(event)];
  history.ms_max = std::max(history.ms_max, ms);
  const std::int64_t second = now.ms / 1000;
  if (!history.samples.empty() && history.samples.back().second == second) {
    Sample& last = history.samples.back();
    last.ms = std::max(last.ms, ms);
    return;
  }
  history.samples.push_back({second, ms});
  keep_newest(history.samples);
}

std::vector<std::string> LatencyEvents::reset(const std::vector<std::string>& events) {
  std::vector<std::string> gone;
  std::erase_if(histories_, [&](const auto& one) {
    const bool named =
        events.empty() || std::find(events.begin(), events.end(), one.first) != events.end();
    if (named) gone.push_back(one.first);
    return named;
  });
  return gone;
}

void LatencyEvents::join(Histories& all, const Histories& more) {
  for (const auto& [event, history] : more) {
    History& joined = all[event];
    joined.ms_max = std::max(joined.ms_max, history.ms_max);
    std::map<std::int64_t, std::uint64_t> by_second;
    for (const std::deque<Sample>* part : {&std::as_const(joined.samples), &history.samples}) {
      for (const Sample& one : *part) {
        std::uint64_t& ms = by_second[one.second];
        ms = std::max(ms, one.ms);
      }
    }
    joined.samples.clear();
    for (const auto& [second, ms] : by_second) joined.samples.push_back({second, ms});
    keep_newest(joined.samples);
  }
}

}  // namespace trv::redis
