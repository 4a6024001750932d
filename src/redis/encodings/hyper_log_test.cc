// HyperLog: the bytes are Redis's (taken from redis-server 7.0.15), estimates are near, damaged
// strings are refused.
#include "redis/encodings/hyper_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace trv::redis {
namespace {

std::string element(std::uint64_t number) { return "element:" + std::to_string(number); }

TEST(HyperLog, AnEmptyOneIsAHeaderAndARun) {
  HyperLog log;
  EXPECT_EQ(log.encode(), std::string("HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", 18));
  EXPECT_EQ(log.count(), 0u);
  EXPECT_EQ(log.known_count(), 0u);
}

TEST(HyperLog, EstimatesAreNearAndSurviveTheirBytes) {
  HyperLog log;
  std::uint64_t added = 0;
  for (std::uint64_t wanted : {1u, 10u, 100u, 1000u, 10'000u, 200'000u}) {
    while (added < wanted) log.add(element(added++));
    std::string bytes = log.encode();
    ASSERT_TRUE(HyperLog::is_one(bytes));
    EXPECT_EQ(bytes[4], wanted > 2000 ? 0 : 1) << wanted;
    std::optional<HyperLog> again = HyperLog::decode(bytes);
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->known_count());
    EXPECT_EQ(again->encode(), bytes);
    EXPECT_EQ(again->count(), log.count());
    EXPECT_NEAR(static_cast<double>(log.count()), static_cast<double>(wanted),
                0.05 * static_cast<double>(wanted));
    EXPECT_FALSE(log.add(element(0)));
  }
}

TEST(HyperLog, MergingIsAddingToBoth) {
  HyperLog all;
  HyperLog even;
  HyperLog odd;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    all.add(element(i));
    (i % 2 == 0 ? even : odd).add(element(i));
  }
  even.merge(odd);
  EXPECT_EQ(even.encode(), all.encode());
}

TEST(HyperLog, OtherStringsAreRefused) {
  std::string sound = HyperLog().encode();
  EXPECT_FALSE(HyperLog::is_one(""));
  EXPECT_FALSE(HyperLog::is_one("something"));
  EXPECT_FALSE(HyperLog::is_one(sound.substr(0, 15)));
  std::string other = sound;
  other[4] = 2;
  EXPECT_FALSE(HyperLog::is_one(other));
  other[4] = 0;
  EXPECT_FALSE(HyperLog::is_one(other)) << "dense, but short";
}

TEST(HyperLog, DamagedRunsAreRefused) {
  const std::string header = HyperLog().encode().substr(0, 16);
  for (const std::string& runs : {std::string(), std::string("\x7f"), std::string("\x7f\xfe"),
                                  std::string("\x7f\xff\x00", 3), std::string("\x3f")}) {
    std::string bytes = header + runs;
    ASSERT_TRUE(HyperLog::is_one(bytes));
    EXPECT_FALSE(HyperLog::decode(bytes));
  }
  std::mt19937 random(1);
  HyperLog log;
  for (std::uint64_t i = 0; i < 300; ++i) log.add(element(i));
  const std::string sound = log.encode();
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = sound.substr(0, 16 + random() % (sound.size() - 15));
    for (std::size_t at = 16; at < bytes.size(); at += 1 + random() % 200) {
      bytes[at] = static_cast<char>(random());
    }
    std::optional<HyperLog> decoded = HyperLog::decode(bytes);
    if (decoded) {
      EXPECT_TRUE(HyperLog::is_one(decoded->encode()));
    }
  }
}

}  // namespace
}  // namespace trv::redis
