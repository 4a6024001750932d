// CommandStats: how often each command ran on this core, how long that took, and how often it was
// refused or failed: what INFO's sections commandstats and latencystats and LATENCY HISTOGRAM tell.
//
// Owner: the core's Service. What only grows until clear(): one row a command that was called, with
// a histogram of 3.5 KiB.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trv::redis {

struct Command;

// Counts of times, in buckets that are at most a sixteenth of their value wide.
class LatencyHistogram {
 public:
  static constexpr std::uint64_t ns_max = 1'000'000'000;  // what took longer counts as this

  void add(std::chrono::nanoseconds took);
  void add(const LatencyHistogram& other);
  std::uint64_t count() const { return count_; }
  // The time that so many percent of all were not longer than. Requires: count() > 0.
  std::uint64_t ns_at(double percent) const;
  // Times and how many were not longer, at the powers of two in which there are some.
  struct Step {
    std::uint64_t us = 0;
    std::uint64_t count = 0;
  };
  std::vector<Step> steps() const;

 private:
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t highest_in(std::size_t bucket);

  std::vector<std::uint64_t> buckets_;  // empty before the first
  std::uint64_t count_ = 0;
};

class CommandStats {
 public:
  struct Row {
    std::uint64_t calls = 0;
    std::uint64_t rejected = 0;  // before they ran: arguments, login
    std::uint64_t failed = 0;    // answered with an error
    std::chrono::nanoseconds took{0};
    LatencyHistogram latency;

    void add(const Row& other);
  };
  // By name, so that those of several cores can be added up.
  using Rows = std::map<std::string, Row, std::less<>>;

  struct Settings {
    bool latency = true;  // histograms are kept
    std::vector<double> percentiles = {50, 99, 99.9};
  };
  static constexpr std::size_t percentiles_max = 32;

  const Settings& settings() const { return settings_; }
  // What was counted stays unless there are to be no histograms.
  void set_settings(Settings settings);

  void note_call(const Command& command, std::chrono::nanoseconds took, bool failed);
  // It has begun to wait; it counts as a call, and its time when it ends.
  void note_blocked(const Command& command, std::chrono::nanoseconds took);
  // A command that has waited is answered.
  void note_end(const Command& command, std::chrono::nanoseconds took, bool failed);
  void note_rejected(const Command& command) { ++rows_[&command].rejected; }
  // A call that was counted as it began has failed.
  void note_failed(const Command& command) { ++rows_[&command].failed; }
  void clear() { rows_.clear(); }

  void add_to(Rows& rows) const;
  static std::string command_section(const Rows& rows);
  static std::string latency_section(const Rows& rows, const Settings& settings);

 private:
  Settings settings_;
  std::unordered_map<const Command*, Row> rows_;
};

// A percentage as its setting shows it: no zeros at the end.
std::string percent_text(double percent);

}  // namespace trv::redis
