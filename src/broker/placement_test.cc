// Proves where names lie: with those that have the same part in braces, else anywhere.
#include <gtest/gtest.h>

#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

TEST(Placement, ThePartInBracesDecides) {
  TestBroker broker;
  EXPECT_EQ(broker->shard_of("a{tag}b"), broker->shard_of("tag"));
  EXPECT_EQ(broker->shard_of("{tag}{other}"), broker->shard_of("x{tag}"));
  EXPECT_EQ(broker->shard_of("{{x}}"), broker->shard_of("{x"));
  int apart = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string number = std::to_string(i);
    apart += broker->shard_of("{}" + number) != broker->shard_of("{}") ? 1 : 0;
    apart += broker->shard_of("{tag" + number) != broker->shard_of("{tag") ? 1 : 0;
    apart += broker->shard_of("}tag{" + number) != broker->shard_of("}tag{") ? 1 : 0;
  }
  EXPECT_GT(apart, 50) << "without a tag, names lie anywhere";
}

}  // namespace
}  // namespace trv::broker
