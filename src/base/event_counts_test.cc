#include "base/event_counts.h"

#include <gtest/gtest.h>

namespace trv {
namespace {

enum class Event : std::uint8_t { in, out, count_ };
using Counts = EventCounts<Event>;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Intervals end at multiples of five seconds.
const Counts::Time start = Counts::Time() + seconds(1000);

double rate_in(const Counts& counts, Counts::Time now) { return counts.at(now).rates[0]; }

TEST(EventCounts, TellsOfTheLastWholeInterval) {
  Counts counts;
  counts.add(Event::in, start, 10);
  counts.add(Event::in, start + seconds(4), 5);
  EXPECT_EQ(rate_in(counts, start + milliseconds(4999)), 0);
  EXPECT_EQ(rate_in(counts, start + seconds(5)), 3);
  counts.add(Event::in, start + seconds(6), 20);
  EXPECT_EQ(rate_in(counts, start + seconds(9)), 3);
  EXPECT_EQ(rate_in(counts, start + seconds(10)), 4);
  EXPECT_EQ(rate_in(counts, start + seconds(15)), 0);
  EXPECT_EQ(counts.at(start).counts[0], 35U);
}

TEST(EventCounts, ForgetsRatesOverASilence) {
  Counts counts;
  counts.add(Event::in, start, 10);
  EXPECT_EQ(rate_in(counts, start + seconds(3600)), 0);
  counts.add(Event::in, start + seconds(3600), 5);
  EXPECT_EQ(rate_in(counts, start + seconds(3604)), 0);
  EXPECT_EQ(rate_in(counts, start + seconds(3605)), 1);
}

TEST(EventCounts, KindsAreApartAndTotalsAddUp) {
  Counts one;
  Counts other;
  EXPECT_FALSE(one.at(start).any());
  one.add(Event::out, start, 10);
  other.add(Event::out, start, 15);
  other.add(Event::in, start);
  Counts::Totals both = one.at(start + seconds(5));
  EXPECT_EQ(both.counts[0], 0U);
  both += other.at(start + seconds(5));
  EXPECT_EQ(both.counts[1], 25U);
  EXPECT_EQ(both.rates[1], 5);
  EXPECT_EQ(both.counts[0], 1U);
  EXPECT_TRUE(both.any());
}

}  // namespace
}  // namespace trv
