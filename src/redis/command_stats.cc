#include "redis/command_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/assert.h"
#include "base/mutant.h"
#include "redis/command.h"

namespace trv::redis {

namespace {

// Below 32 each value has its bucket; above, each power of two has sixteen.
constexpr int step_bits = 4;
constexpr std::uint64_t steps_a_power = 1u << step_bits;

constexpr std::size_t bucket_at(std::uint64_t ns) {
  if (ns < 2 * steps_a_power) return ns;
  const int shift = static_cast<int>(std::bit_width(ns)) - step_bits - 1;
  return static_cast<std::size_t>(shift) * steps_a_power + (ns >> shift);
}
constexpr std::size_t bucket_count = bucket_at(LatencyHistogram::ns_max) + 1;

std::int64_t us_of(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

std::size_t LatencyHistogram::bucket_of(std::uint64_t ns) { return bucket_at(ns); }

std::uint64_t LatencyHistogram::highest_in(std::size_t bucket) {
  if (bucket < 2 * steps_a_power) return bucket;
  std::size_t shift = bucket / steps_a_power - 1;
  std::uint64_t lead = bucket - shift * steps_a_power;
  return ((lead + 1) << shift) - 1;
}

void LatencyHistogram::add(std::chrono::nanoseconds took) {
  if (buckets_.empty()) buckets_.resize(bucket_count);
  auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 1));
  ++buckets_[bucket_of(std::min(ns, ns_max))];
  ++count_;
}

void LatencyHistogram::add(const LatencyHistogram& other) {
  if (other.buckets_.empty()) return;
  if (buckets_.empty()) buckets_.resize(bucket_count);
  for (std::size_t i = 0; i < bucket_count; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

std::uint64_t LatencyHistogram::ns_at(double percent) const {
  TRV_ASSERT(count_ > 0);
  double exact = std::ceil(percent / 100.0 * static_cast<double>(count_));
  auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, count_);
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  for (; bucket < bucket_count; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) break;
  }
  return highest_in(bucket);
}

std::vector<LatencyHistogram::Step> LatencyHistogram::steps() const {
  std::vector<Step> steps;
  std::uint64_t limit_ns = 1024;
  std::uint64_t seen = 0;
  std::uint64_t told = 0;
  auto tell = [&] {
    if (seen > told) steps.push_back({limit_ns / 1000, seen});
    told = seen;
  };
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    for (; highest_in(bucket) >= limit_ns; limit_ns *= 2) tell();
    seen += buckets_[bucket];
  }
  tell();
  return steps;
}

void CommandStats::Row::add(const Row& other) {
  calls += other.calls;
  rejected += other.rejected;
  failed += other.failed;
  took += other.took;
  latency.add(other.latency);
}

void CommandStats::set_settings(Settings settings) {
  settings_ = std::move(settings);
  if (settings_.latency) return;
  for (auto& [command, row] : rows_) row.latency = {};
}

void CommandStats::note_call(const Command& command, std::chrono::nanoseconds took, bool failed) {
  Row& row = rows_[&command];
  ++row.calls;
  row.took += took;
  if (failed && !TRV_MUTANT(failed_calls_not_counted)) ++row.failed;
  if (settings_.latency) row.latency.add(took);
}

void CommandStats::note_blocked(const Command& command, std::chrono::nanoseconds took) {
  Row& row = rows_[&command];
  ++row.calls;
  row.took += took;
}

void CommandStats::note_end(const Command& command, std::chrono::nanoseconds took, bool failed) {
  Row& row = rows_[&command];
  row.took += took;
  if (failed) ++row.failed;
  if (settings_.latency) row.latency.add(took);
}

void CommandStats::add_to(Rows& rows) const {
  for (const auto& [command, row] : rows_) {
    rows[std::string(command->name)].add(row);
  }
}

std::string CommandStats::command_section(const Rows& rows) {
  std::string text = "# Commandstats\r\n";
  for (const auto& [name, row] : rows) {
    const std::int64_t us = us_of(row.took);
    const double each =
        row.calls == 0 ? 0 : static_cast<double>(us) / static_cast<double>(row.calls);
    text += fmt::format(
        "cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}\r\n",
        name, row.calls, us, each, row.rejected, row.failed);
  }
  return text;
}

std::string CommandStats::latency_section(const Rows& rows, const Settings& settings) {
  std::string text = "# Latencystats\r\n";
  if (!settings.latency) return text;
  for (const auto& [name, row] : rows) {
    if (row.latency.count() == 0) continue;
    text += "latency_percentiles_usec_" + name + ":";
    for (std::size_t i = 0; i < settings.percentiles.size(); ++i) {
      const double percent = settings.percentiles[i];
      const double us = static_cast<double>(row.latency.ns_at(percent)) / 1000.0;
      text += fmt::format("{}p{}={:.3f}", i == 0 ? "" : ",", percent_text(percent), us);
    }
    text += "\r\n";
  }
  return text;
}

std::string percent_text(double percent) {
  std::string text = fmt::format("{:f}", percent);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace trv::redis
