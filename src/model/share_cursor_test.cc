// Proves the cursors of share groups: what is given out to whom and how often, what comes back,
// what ends a record, and that replay, a snapshot and random histories lead to the same state.
#include "model/share_cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace trv::model {
namespace {

using namespace std::chrono_literals;
using Ack = ShareCursor::Ack;
using Acquired = ShareCursor::Acquired;

const Moment now{};

std::vector<Acquired> acquire(ShareCursor& cursor, std::string_view member, std::int64_t first,
                              std::int64_t end, Moment until = now + 30s,
                              std::size_t range_max = 1000) {
  std::vector<Acquired> acquired;
  ShareCursor::LockId lock = cursor.open_lock(member, until);
  cursor.acquire(lock, Offset(first), Offset(end), 5000, range_max, acquired);
  cursor.close_lock(lock);
  return acquired;
}

Acquired range(std::int64_t first, std::int64_t last, std::uint32_t deliveries = 1) {
  return {Offset(first), Offset(last), deliveries};
}
Ack settle(std::int64_t first, std::int64_t end) {
  return {Offset(first), Offset(end), Ack::As::settled};
}
Ack release(std::int64_t first, std::int64_t end) {
  return {Offset(first), Offset(end), Ack::As::released};
}
Ack renewal(std::int64_t first, std::int64_t end) {
  return {Offset(first), Offset(end), Ack::As::renewed};
}

// Whether the member may say so; it is applied then.
bool acknowledge(ShareCursor& cursor, std::string_view member, const std::vector<Ack>& acks) {
  std::optional<ShareOutcomes> outcomes = cursor.outcomes_of(member, acks);
  if (outcomes) cursor.apply(*outcomes);
  return outcomes.has_value();
}

TEST(ShareCursor, TellsWhatBecameOfItsRecords) {
  ShareCursor cursor{Offset(0)};
  EXPECT_TRUE(cursor.history().empty());
  acquire(cursor, "a", 0, 8);
  ASSERT_TRUE(acknowledge(cursor, "a", {settle(0, 2), release(2, 4), settle(5, 6), release(7, 8)}));
  using Outcome = ShareOutcome;
  EXPECT_EQ(cursor.start(), Offset(2));
  EXPECT_EQ(cursor.history(),
            (ShareOutcomes{Outcome{Offset(2), Offset(4), 1}, Outcome{Offset(5), Offset(6), 0},
                           Outcome{Offset(7), Offset(8), 1}}));
  ASSERT_TRUE(acknowledge(cursor, "a", {settle(4, 5), settle(6, 7)}));
  acquire(cursor, "b", 2, 3);
  ASSERT_TRUE(acknowledge(cursor, "b", {release(2, 3)}));
  EXPECT_EQ(cursor.history(),
            (ShareOutcomes{Outcome{Offset(2), Offset(3), 2}, Outcome{Offset(3), Offset(4), 1},
                           Outcome{Offset(4), Offset(7), 0}, Outcome{Offset(7), Offset(8), 1}}));
}

TEST(ShareCursor, GivesEachRecordToOneMember) {
  ShareCursor cursor{Offset(10)};
  EXPECT_EQ(cursor.first_ready(Offset(10)), std::nullopt);
  EXPECT_EQ(cursor.first_ready(Offset(20)), Offset(10));
  EXPECT_EQ(acquire(cursor, "a", 10, 14), std::vector{range(10, 13)});
  EXPECT_EQ(acquire(cursor, "b", 10, 16), std::vector{range(14, 15)});
  EXPECT_EQ(cursor.locked_count(), 6u);
  EXPECT_EQ(cursor.first_ready(Offset(20)), Offset(16));
  EXPECT_EQ(cursor.start(), Offset(10));
}

TEST(ShareCursor, OnlyTheHolderAcknowledges) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 4);
  acquire(cursor, "b", 4, 8);
  EXPECT_FALSE(acknowledge(cursor, "b", {settle(0, 1)}));
  EXPECT_FALSE(acknowledge(cursor, "a", {settle(0, 5)})) << "all of it or nothing";
  EXPECT_FALSE(acknowledge(cursor, "a", {settle(8, 9)})) << "not given out";
  EXPECT_TRUE(acknowledge(cursor, "a", {settle(0, 2), release(2, 4)}));
  EXPECT_EQ(cursor.start(), Offset(2));
  EXPECT_FALSE(acknowledge(cursor, "a", {settle(2, 3)})) << "not held any more";
  EXPECT_TRUE(acknowledge(cursor, "a", {settle(0, 2)})) << "an answer may have been lost";
  EXPECT_EQ(acquire(cursor, "b", 0, 8), std::vector{range(2, 3, 2)});
}

TEST(ShareCursor, RangesTellDeliveriesAndAreCut) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 2);
  acknowledge(cursor, "a", {release(0, 2)});
  std::vector<Acquired> all = acquire(cursor, "a", 0, 5, now + 30s, 2);
  EXPECT_EQ(all, (std::vector{range(0, 1, 2), range(2, 3), range(4, 4)}));
}

TEST(ShareCursor, FiveDeliveriesAreEnough) {
  ShareCursor cursor{Offset(0)};
  for (std::uint32_t i = 1; i <= ShareCursor::deliveries_max; ++i) {
    EXPECT_EQ(acquire(cursor, "a", 0, 1), std::vector{range(0, 0, i)});
    EXPECT_TRUE(acknowledge(cursor, "a", {release(0, 1)}));
  }
  EXPECT_EQ(acquire(cursor, "a", 0, 1), std::vector<Acquired>{});
  EXPECT_EQ(cursor.start(), Offset(1));
}

TEST(ShareCursor, LocksEnd) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 2, now + 10s);
  acquire(cursor, "b", 2, 4, now + 20s);
  EXPECT_EQ(cursor.next_deadline(), now + 10s);
  EXPECT_TRUE(cursor.outcomes_of_overdue(now + 9s).empty());
  ShareOutcomes overdue = cursor.outcomes_of_overdue(now + 10s);
  EXPECT_EQ(overdue, (ShareOutcomes{{Offset(0), Offset(2), 1}}));
  cursor.postpone_overdue(now + 10s, now + 11s);
  EXPECT_EQ(cursor.next_deadline(), now + 11s);
  cursor.apply(cursor.outcomes_of_overdue(now + 11s));
  cursor.forget_overdue(now + 11s);
  EXPECT_EQ(cursor.next_deadline(), now + 20s);
  EXPECT_FALSE(acknowledge(cursor, "a", {settle(0, 1)}));
  EXPECT_EQ(acquire(cursor, "c", 0, 9), (std::vector{range(0, 1, 2), range(4, 8)}));
  // An old lock says nothing about who has the records now.
  cursor.apply(cursor.outcomes_of_overdue(now + 11s));
  EXPECT_TRUE(acknowledge(cursor, "c", {settle(0, 2)}));
}

TEST(ShareCursor, LocksAreRenewed) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 4, now + 10s);
  acquire(cursor, "b", 4, 5, now + 10s);
  EXPECT_FALSE(cursor.outcomes_of("a", std::vector{renewal(3, 5)})) << "one is another's";
  EXPECT_FALSE(cursor.outcomes_of("a", std::vector{renewal(4, 9)})) << "nobody's";
  const std::vector acks{settle(0, 1), renewal(1, 3)};
  EXPECT_TRUE(acknowledge(cursor, "a", acks));
  cursor.renew("a", acks, now + 40s);
  EXPECT_EQ(cursor.locked_count(), 4u);
  EXPECT_EQ(cursor.outcomes_of_overdue(now + 10s), (ShareOutcomes{{Offset(3), Offset(5), 1}}))
      << "what was not renewed";
  cursor.apply(cursor.outcomes_of_overdue(now + 10s));
  cursor.forget_overdue(now + 10s);
  EXPECT_EQ(cursor.next_deadline(), now + 40s);
  EXPECT_TRUE(acknowledge(cursor, "a", {settle(1, 2)}));
  EXPECT_EQ(cursor.outcomes_of_overdue(now + 40s), (ShareOutcomes{{Offset(2), Offset(3), 1}}))
      << "a renewal is no delivery";
  // Renewing it all leaves no empty locks behind.
  const std::vector again{renewal(2, 3)};
  cursor.renew("a", again, now + 50s);
  EXPECT_EQ(cursor.next_deadline(), now + 50s);
  EXPECT_TRUE(acknowledge(cursor, "a", {release(2, 3)}));
  EXPECT_EQ(cursor.next_deadline(), std::nullopt);
}

TEST(ShareCursor, CountsWhatIsNotSettled) {
  ShareCursor cursor{Offset(10)};
  EXPECT_EQ(cursor.unsettled_count(Offset(10), Offset(10)), 0u);
  EXPECT_EQ(cursor.unsettled_count(Offset(0), Offset(20)), 10u);
  acquire(cursor, "a", 10, 16);
  acknowledge(cursor, "a", {settle(12, 14), release(14, 15)});
  EXPECT_EQ(cursor.unsettled_count(Offset(10), Offset(20)), 8u);
  EXPECT_EQ(cursor.unsettled_count(Offset(13), Offset(20)), 6u) << "the log begins later";
  EXPECT_EQ(cursor.unsettled_count(Offset(30), Offset(20)), 0u);
}

TEST(ShareCursor, WhatAMemberHasComesBackWhenItLeaves) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 2);
  acquire(cursor, "b", 2, 4);
  acquire(cursor, "a", 4, 6);
  cursor.apply(cursor.outcomes_of_leaving("a"));
  EXPECT_EQ(cursor.locked_count(), 2u);
  EXPECT_EQ(acquire(cursor, "b", 0, 6), (std::vector{range(0, 1, 2), range(4, 5, 2)}));
}

TEST(ShareCursor, SoManyAreOutAtMost) {
  ShareCursor cursor{Offset(0)};
  auto all = acquire(cursor, "a", 0, 5000, now + 30s, 5000);
  EXPECT_EQ(all, std::vector{range(0, static_cast<std::int64_t>(ShareCursor::locked_max) - 1)});
  EXPECT_TRUE(acquire(cursor, "b", 0, 5000).empty());
  acknowledge(cursor, "a", {settle(0, 1), settle(7, 8)});
  EXPECT_EQ(acquire(cursor, "b", 0, 5000).front(), range(2000, 2001));
}

TEST(ShareCursor, PassesOverWhatIsNotThere) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 4);
  acknowledge(cursor, "a", {release(1, 3)});
  cursor.pass_over(Offset(5), Offset(6));
  EXPECT_EQ(cursor.first_ready(Offset(20)), Offset(1)) << "nothing else is touched";
  cursor.pass_over(Offset(1), Offset(10));
  EXPECT_EQ(cursor.locked_count(), 2u) << "what is out stays";
  EXPECT_EQ(cursor.first_ready(Offset(20)), Offset(10));
  EXPECT_TRUE(acknowledge(cursor, "a", {settle(0, 1), settle(3, 4)}));
  EXPECT_EQ(cursor.start(), Offset(10));
}

TEST(ShareCursor, TheLogMayBeginLater) {
  ShareCursor cursor{Offset(0)};
  acquire(cursor, "a", 0, 4);
  cursor.trim(Offset(3));
  EXPECT_EQ(cursor.start(), Offset(3));
  EXPECT_TRUE(acknowledge(cursor, "a", {settle(0, 4)}));
  EXPECT_EQ(cursor.start(), Offset(4));
}

class ShareCursorsTest : public testing::Test {
 protected:
  void apply(const std::string& command) {
    EXPECT_TRUE(cursors_.apply(command).ok());
    journal_.push_back(command);
  }
  ShareCursor& cursor() { return *cursors_.find("g", PartitionIndex(1)); }
  std::string outcomes(const ShareOutcomes& outcomes) {
    return ShareCursors::encode_outcomes("g", PartitionIndex(1), outcomes);
  }
  // What is settled, and how often the others were delivered.
  static std::string look(ShareCursors& cursors) {
    ShareCursor copy = *cursors.find("g", PartitionIndex(1));
    std::string text = std::to_string(copy.start().value) + ":";
    for (const Acquired& one : acquire(copy, "x", 0, 60, now, 1)) {
      text += " " + std::to_string(one.first.value) + "x" + std::to_string(one.deliveries);
    }
    return text;
  }
  // As after a crash.
  static std::string replayed(const std::vector<std::string>& journal) {
    ShareCursors fresh;
    for (const std::string& command : journal) EXPECT_TRUE(fresh.apply(command).ok());
    return look(fresh);
  }
  std::vector<std::string> snapshot() {
    std::vector<std::string> commands;
    cursors_.snapshot([&](ByteView command) { commands.emplace_back(command); });
    return commands;
  }

  ShareCursors cursors_;
  std::vector<std::string> journal_;
};

TEST_F(ShareCursorsTest, WhatIsOutIsReadyAgainAfterARestart) {
  apply(ShareCursors::encode_start("g", PartitionIndex(1), Offset(5)));
  acquire(cursor(), "a", 5, 10);
  apply(outcomes({{Offset(6), Offset(7), 0}, {Offset(8), Offset(9), 3}}));
  EXPECT_EQ(replayed(journal_).substr(0, 18), "5: 5x1 7x1 8x4 9x1");
  EXPECT_EQ(replayed(snapshot()), replayed(journal_));
}

TEST_F(ShareCursorsTest, StartsAndForgets) {
  apply(ShareCursors::encode_start("g", PartitionIndex(1), Offset(5)));
  acquire(cursor(), "a", 5, 10);
  apply(ShareCursors::encode_start("g", PartitionIndex(1), Offset(2)));
  EXPECT_EQ(cursor().start(), Offset(2));
  EXPECT_EQ(cursor().locked_count(), 0u);
  apply(ShareCursors::encode_forget("g"));
  EXPECT_TRUE(cursors_.empty());
  apply(outcomes({{Offset(6), Offset(7), 0}}));
  EXPECT_TRUE(cursors_.empty());
}

TEST_F(ShareCursorsTest, RefusesDamagedCommands) {
  std::string good = outcomes({{Offset(6), Offset(7), 0}, {Offset(8), Offset(9), 3}});
  for (std::size_t size = 0; size < good.size(); ++size) {
    // Cut between two ranges it is a command of one less.
    ShareCursors fresh;
    Status applied = fresh.apply(good.substr(0, size));
    EXPECT_EQ(applied.ok(), size == 4 || size == 7) << size;
  }
  EXPECT_FALSE(cursors_.apply(std::string("\x02\x01g\x01\x00\x00\x00", 7)).ok()) << "empty range";
  EXPECT_FALSE(cursors_.apply(std::string("\x07\x01g", 3)).ok());
}

TEST_F(ShareCursorsTest, RandomHistoriesAreReplayed) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    cursors_ = ShareCursors();
    journal_.clear();
    apply(ShareCursors::encode_start("g", PartitionIndex(1), Offset(0)));
    // By offset: who has it, and how often it was given out; and what is done with.
    std::map<std::int64_t, std::string> held;
    std::map<std::int64_t, std::uint32_t> deliveries;
    std::set<std::int64_t> settled;
    for (int step = 0; step < 60; ++step) {
      std::string member(1, static_cast<char>('a' + random() % 3));
      auto first = static_cast<std::int64_t>(random() % 50);
      auto end = first + 1 + static_cast<std::int64_t>(random() % 5);
      if (random() % 2 == 0) {
        for (const Acquired& got : acquire(cursor(), member, first, end, now, 1)) {
          std::int64_t at = got.first.value;
          EXPECT_FALSE(held.contains(at));
          EXPECT_FALSE(settled.contains(at)) << "settled records do not come again";
          EXPECT_EQ(got.deliveries, deliveries[at] + 1);
          ++deliveries[at];
          held[at] = member;
        }
        continue;
      }
      constexpr std::array kinds{Ack::As::settled, Ack::As::released, Ack::As::renewed};
      Ack ack{Offset(first), Offset(end), kinds[random() % kinds.size()]};
      auto outcome = cursor().outcomes_of(member, std::span(&ack, 1));
      bool may = true;
      for (std::int64_t at = std::max(first, cursor().start().value); at < end; ++at) {
        may = may && held.contains(at) && held[at] == member;
      }
      ASSERT_EQ(outcome.has_value(), may);
      if (may) cursor().renew(member, std::span(&ack, 1), now);
      if (!may || outcome->empty()) continue;
      for (std::int64_t at = std::max(first, cursor().start().value); at < end; ++at) {
        held.erase(at);
        const bool last = deliveries[at] >= ShareCursor::deliveries_max;
        if (ack.as == Ack::As::settled || last) settled.insert(at);
      }
      apply(outcomes(*outcome));
    }
    std::string journaled = replayed(journal_);
    EXPECT_EQ(replayed(snapshot()), journaled) << "seed " << seed;
    // What was out at the crash may tell one delivery less; nothing else differs.
    ShareCursors fresh;
    for (const std::string& command : snapshot()) EXPECT_TRUE(fresh.apply(command).ok());
    std::set<std::int64_t> ready;
    ShareCursor& copy = *fresh.find("g", PartitionIndex(1));
    for (const Acquired& got : acquire(copy, "x", 0, 60, now, 1)) ready.insert(got.first.value);
    for (std::int64_t at = 0; at < 60; ++at) {
      EXPECT_EQ(ready.contains(at), !settled.contains(at)) << "seed " << seed << " at " << at;
    }
  }
}

}  // namespace
}  // namespace trv::model
