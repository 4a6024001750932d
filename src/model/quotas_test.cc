// Proves which quota bears on whom, that a state is what its snapshot says, that what is no command
// is refused, and how long who has used too much has to wait.
#include "model/quotas.h"

#include <gtest/gtest.h>

namespace trv::model {
namespace {

using Of = QuotaName::Of;

QuotaName any() { return {}; }
QuotaName others() { return {Of::others}; }
QuotaName named(std::string name) { return {Of::named, std::move(name)}; }

void put(Quotas& quotas, QuotaSubject subject, const QuotaRates& rates) {
  ASSERT_TRUE(quotas.apply(encode_quota(subject, rates)).ok());
}

// The eight kinds of subjects, the one that counts first.
std::vector<QuotaSubject> by_rank() {
  return {{named("u"), named("c")}, {named("u"), others()}, {named("u"), any()},
          {others(), named("c")},   {others(), others()},   {others(), any()},
          {any(), named("c")},      {any(), others()}};
}

TEST(Quotas, TheMostParticularOneCounts) {
  const std::vector<QuotaSubject> subjects = by_rank();
  for (std::size_t first = 0; first < subjects.size(); ++first) {
    Quotas quotas;
    for (std::size_t i = first; i < subjects.size(); ++i) {
      put(quotas, subjects[i], {{QuotaKind::write_rate, 100 + i}});
    }
    auto found = quotas.find(QuotaKind::write_rate, "u", "c");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rate, 100 + first);
    EXPECT_FALSE(quotas.find(QuotaKind::read_rate, "u", "c"));
  }
}

TEST(Quotas, AreForThoseWhomTheyName) {
  Quotas quotas;
  EXPECT_FALSE(quotas.find(QuotaKind::write_rate, "u", "c"));
  put(quotas, {named("u"), named("c")}, {{QuotaKind::write_rate, 1}});
  EXPECT_FALSE(quotas.find(QuotaKind::write_rate, "u", "d"));
  EXPECT_FALSE(quotas.find(QuotaKind::write_rate, "v", "c"));
  put(quotas, {named("u"), others()}, {{QuotaKind::write_rate, 2}});
  EXPECT_EQ(quotas.find(QuotaKind::write_rate, "u", "c")->rate, 1u);
  EXPECT_EQ(quotas.find(QuotaKind::write_rate, "u", "d")->rate, 2u);
  // A subject that says nothing of a kind does not stand before one that does.
  put(quotas, {named("u"), named("c")}, {{QuotaKind::read_rate, 9}});
  EXPECT_EQ(quotas.find(QuotaKind::write_rate, "u", "c")->rate, 2u);
  EXPECT_EQ(quotas.find(QuotaKind::read_rate, "u", "c")->rate, 9u);
}

TEST(Quotas, WhoUsesOneTogether) {
  auto shared = [](const QuotaSubject& subject, std::string_view user, std::string_view client) {
    Quotas quotas;
    put(quotas, subject, {{QuotaKind::write_rate, 1}});
    return quotas.find(QuotaKind::write_rate, user, client)->shared_by;
  };
  // A user with all his clients; a client of all users; else a client of a user.
  for (const QuotaName& user : {named("u"), others()}) {
    EXPECT_EQ(shared({user, any()}, "u", "a"), shared({user, any()}, "u", "b"));
    EXPECT_NE(shared({user, others()}, "u", "a"), shared({user, others()}, "u", "b"));
  }
  EXPECT_NE(shared({others(), any()}, "u", "a"), shared({others(), any()}, "v", "a"));
  EXPECT_EQ(shared({any(), others()}, "u", "a"), shared({any(), others()}, "v", "a"));
  EXPECT_NE(shared({any(), others()}, "u", "a"), shared({any(), others()}, "u", "b"));
  EXPECT_NE(shared({named("ab"), others()}, "ab", "c"), shared({named("a"), others()}, "a", "bc"));
}

TEST(Quotas, WritingTakesNothingFromReading) {
  Quotas quotas;
  put(quotas, {named("u"), any()}, {{QuotaKind::write_rate, 1}, {QuotaKind::read_rate, 1}});
  EXPECT_NE(quotas.find(QuotaKind::write_rate, "u", "c")->shared_by,
            quotas.find(QuotaKind::read_rate, "u", "c")->shared_by);
}

TEST(Quotas, AStateIsWhatItsSnapshotSays) {
  Quotas quotas;
  std::uint64_t rate = 1;
  for (const QuotaSubject& subject : by_rank()) {
    put(quotas, subject, {{QuotaKind::write_rate, rate}, {QuotaKind::read_rate, rate << 40}});
    ++rate;
  }
  put(quotas, {named("u"), named("c")}, {});
  EXPECT_EQ(quotas.all().size(), 7u);
  Quotas restored;
  for (const std::string& command : quotas.snapshot()) ASSERT_TRUE(restored.apply(command).ok());
  EXPECT_EQ(restored, quotas);
}

TEST(Quotas, WhatIsNoCommandIsRefused) {
  const std::string good = encode_quota({named("u"), any()}, {{QuotaKind::write_rate, 5}});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Quotas().apply(ByteView(good).substr(0, size)).ok()) << size;
  }
  auto bad = [&](std::size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    return !Quotas().apply(bytes).ok();
  };
  EXPECT_FALSE(Quotas().apply(good + "x").ok());
  EXPECT_TRUE(bad(0, 2));                // the command
  EXPECT_TRUE(bad(1, 3));                // of whom
  EXPECT_TRUE(bad(1, 1));                // of others, with a name
  EXPECT_TRUE(bad(good.size() - 2, 3));  // the kind
  EXPECT_TRUE(bad(good.size() - 1, 0));  // a rate of nothing
  EXPECT_FALSE(Quotas().apply(encode_quota({}, {{QuotaKind::write_rate, 5}})).ok());
}

constexpr std::int64_t begin_ms = 1'000'000;

TEST(QuotaUse, TenSecondsWorthAtOnceAndThenTheRate) {
  QuotaUse use;
  EXPECT_EQ(use.add("a", 1000, 100, begin_ms).wait_ms, 0);
  EXPECT_EQ(use.add("a", 100, 100, begin_ms).wait_ms, 1000);
  EXPECT_EQ(use.add("a", 50, 100, begin_ms + 500).wait_ms, 1000);
  // Others have their own.
  EXPECT_EQ(use.add("b", 1000, 100, begin_ms).wait_ms, 0);
  // Seconds after, it is forgotten.
  EXPECT_EQ(use.add("a", 1000, 100, begin_ms + 20'000).wait_ms, 0);
}

TEST(QuotaUse, WhoWaitsAsToldKeepsToTheRate) {
  QuotaUse use;
  std::int64_t now = begin_ms;
  std::uint64_t bytes = 0;
  while (now < begin_ms + 300'000) {
    bytes += 700;
    now += std::max<std::int64_t>(1, use.add("a", 700, 1000, now).wait_ms);
  }
  EXPECT_GT(bytes, 290'000u);
  EXPECT_LT(bytes, 325'000u);
}

TEST(QuotaUse, WhatIsTooMuchIsNotCountedWhenAsked) {
  QuotaUse use;
  EXPECT_TRUE(use.try_add("a", 900, 100, begin_ms).counted);
  const QuotaUse::Outcome refused = use.try_add("a", 200, 100, begin_ms);
  EXPECT_FALSE(refused.counted);
  EXPECT_EQ(refused.wait_ms, 1000);
  EXPECT_TRUE(use.try_add("a", 100, 100, begin_ms).counted);
  // More than ever fits passes alone, and is paid for afterwards.
  const QuotaUse::Outcome large = use.try_add("b", 5000, 100, begin_ms);
  EXPECT_TRUE(large.counted);
  EXPECT_EQ(large.wait_ms, 40'000);
  EXPECT_FALSE(use.try_add("b", 1, 100, begin_ms + 1000).counted);
}

TEST(QuotaUse, NamesThatAreNotUsedAreForgotten) {
  QuotaUse use;
  for (int i = 0; i < 10'000; ++i) use.add(std::to_string(i), 1, 1, begin_ms + i * 10);
  EXPECT_LT(use.name_count(), 4'000u);
  for (int i = 0; i < 150'000; ++i) use.add("x" + std::to_string(i), 1, 1, begin_ms + 200'000);
  EXPECT_LE(use.name_count(), QuotaUse::names_max + 1);
  // Those beyond share one.
  EXPECT_GT(use.add("new", 1, 1, begin_ms + 200'000).wait_ms, 0);
}

TEST(QuotaUse, LargeNumbersDoNotWrap) {
  QuotaUse use;
  constexpr std::uint64_t large = std::uint64_t{1} << 62;
  EXPECT_EQ(use.add("a", large, large, begin_ms).wait_ms, 0);
  EXPECT_GT(use.add("b", large, 1, begin_ms).wait_ms, 1'000'000'000);
}

}  // namespace
}  // namespace trv::model
