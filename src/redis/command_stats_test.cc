// Proves: times are told within a sixteenth, by percentage and by powers of two; counts of commands
// add up over cores; samples of latency events are bounded and join.
#include "redis/command_stats.h"

#include <gtest/gtest.h>

#include "redis/command_table.h"
#include "redis/latency_events.h"

namespace trv::redis {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(LatencyHistogram, TellsPercentiles) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 1000; ++us) histogram.add(microseconds(us));
  EXPECT_EQ(histogram.count(), 1000u);
  const std::pair<double, double> expected[] = {
      {0, 1}, {50, 500}, {99, 990}, {99.9, 999}, {100, 1000}};
  for (const auto& [percent, us] : expected) {
    const double told = static_cast<double>(histogram.ns_at(percent)) / 1000;
    EXPECT_GE(told, us) << percent;
    EXPECT_LE(told, us * 17 / 16) << percent;
  }
}

TEST(LatencyHistogram, TakesAnyTime) {
  LatencyHistogram histogram;
  for (std::int64_t ns : {-1, 0, 1, 31, 32, 33}) histogram.add(nanoseconds(ns));
  histogram.add(nanoseconds::max());
  EXPECT_EQ(histogram.count(), 7u);
  EXPECT_EQ(histogram.ns_at(0), 1u);
  EXPECT_GE(histogram.ns_at(100), LatencyHistogram::ns_max);
}

TEST(LatencyHistogram, StepsAreCumulative) {
  LatencyHistogram one;
  one.add(nanoseconds(500));
  one.add(microseconds(3));
  LatencyHistogram all;
  all.add(one);
  all.add(one);
  all.add(milliseconds(2));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  for (const LatencyHistogram::Step& step : all.steps()) steps.emplace_back(step.us, step.count);
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> expected = {{1, 2}, {4, 4}, {2097, 5}};
  EXPECT_EQ(steps, expected);
  EXPECT_TRUE(LatencyHistogram().steps().empty());
}

TEST(CommandStats, AddsUp) {
  const CommandTable table;
  const Command& get = *table.find("get");
  CommandStats first;
  CommandStats second;
  first.note_call(get, microseconds(10), false);
  first.note_call(get, microseconds(20), true);
  first.note_rejected(get);
  second.note_blocked(get, microseconds(5));
  CommandStats::Rows rows;
  first.add_to(rows);
  second.add_to(rows);
  EXPECT_EQ(CommandStats::command_section(rows),
            "# Commandstats\r\ncmdstat_get:calls=3,usec=35,usec_per_call=11.67,rejected_calls=1,"
            "failed_calls=1\r\n");
  // What waits has no time of its own yet.
  EXPECT_EQ(rows.at("get").latency.count(), 2u);
  second.note_end(get, microseconds(7), true);
  rows.clear();
  second.add_to(rows);
  EXPECT_EQ(rows.at("get").calls, 1u);
  EXPECT_EQ(rows.at("get").failed, 1u);
  EXPECT_EQ(rows.at("get").latency.count(), 1u);
  second.set_settings({false, {50}});
  rows.clear();
  second.add_to(rows);
  EXPECT_EQ(rows.at("get").calls, 1u);
  EXPECT_EQ(rows.at("get").latency.count(), 0u);
}

TEST(CommandStats, ShowsPercentagesShort) {
  EXPECT_EQ(percent_text(50), "50");
  EXPECT_EQ(percent_text(0), "0");
  EXPECT_EQ(percent_text(100), "100");
  EXPECT_EQ(percent_text(99.9), "99.9");
}

TEST(LatencyEvents, KeepsTheLongestOfEachSecond) {
  LatencyEvents events;
  events.consider("command", WallTime{1000}, milliseconds(500));
  EXPECT_TRUE(events.histories().empty());
  events.set_threshold(100);
  events.consider("command", WallTime{1000}, milliseconds(99));
  EXPECT_TRUE(events.histories().empty());
  events.consider("command", WallTime{1000}, milliseconds(100));
  events.consider("command", WallTime{1999}, milliseconds(300));
  events.consider("command", WallTime{1999}, milliseconds(200));
  const LatencyEvents::History& history = events.histories().at("command");
  ASSERT_EQ(history.samples.size(), 1u);
  EXPECT_EQ(history.samples[0].ms, 300u);
  for (int second = 2; second < 400; ++second) {
    events.consider("command", WallTime{second * 1000}, milliseconds(100));
  }
  EXPECT_EQ(history.samples.size(), LatencyEvents::samples_max);
  EXPECT_EQ(history.samples.back().second, 399);
  EXPECT_EQ(history.ms_max, 300u);
}

TEST(LatencyEvents, JoinsThoseOfCores) {
  LatencyEvents one;
  LatencyEvents other;
  one.set_threshold(1);
  other.set_threshold(1);
  one.consider("command", WallTime{1000}, milliseconds(5));
  one.consider("command", WallTime{3000}, milliseconds(6));
  other.consider("command", WallTime{2000}, milliseconds(7));
  other.consider("command", WallTime{3000}, milliseconds(8));
  other.consider("fast-command", WallTime{1000}, milliseconds(2));
  LatencyEvents::Histories all;
  LatencyEvents::join(all, one.histories());
  LatencyEvents::join(all, other.histories());
  ASSERT_EQ(all.size(), 2u);
  const LatencyEvents::History& history = all.at("command");
  ASSERT_EQ(history.samples.size(), 3u);
  EXPECT_EQ(history.samples[1].ms, 7u);
  EXPECT_EQ(history.samples[2].ms, 8u);
  EXPECT_EQ(history.ms_max, 8u);
  EXPECT_EQ(other.reset({"command", "nothing"}), std::vector<std::string>{"command"});
  EXPECT_EQ(other.reset({}), std::vector<std::string>{"fast-command"});
}

}  // namespace
}  // namespace trv::redis
