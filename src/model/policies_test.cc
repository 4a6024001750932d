// Policies: which one bears on a name, replay of the snapshot, and commands that are none.
#include "model/policies.h"

#include <gtest/gtest.h>

#include "base/scoped_name.h"

namespace trv::model {
namespace {

Policy policy_of(const std::string& name, const std::string& pattern, PolicyTarget target,
                 std::int64_t priority) {
  Policy policy;
  policy.name = name;
  policy.pattern = *Pattern::parse(pattern);
  policy.target = target;
  policy.priority = priority;
  policy.definition.count_max = 5;
  return policy;
}

std::string matched(const Policies& policies, PolicyTarget resource, std::string_view name) {
  const Policy* policy = policies.match(PolicyClass::users, resource, name);
  return policy ? policy->name : "";
}

TEST(Policies, TheHighestPriorityThatMatchesCounts) {
  Policies policies;
  for (const Policy& policy : {policy_of("low", ".*", PolicyTarget::all, 0),
                               policy_of("high", "^a", PolicyTarget::queues, 9),
                               policy_of("exchanges", "", PolicyTarget::exchanges, 99),
                               policy_of("strict", "^a", PolicyTarget::strict_queues, 10),
                               policy_of("low-too", ".*", PolicyTarget::all, 0)}) {
    ASSERT_TRUE(policies.apply(encode_put(policy)).ok());
  }
  EXPECT_EQ(matched(policies, PolicyTarget::classic_queues, "abc"), "high");
  EXPECT_EQ(matched(policies, PolicyTarget::strict_queues, "abc"), "strict");
  EXPECT_EQ(matched(policies, PolicyTarget::streams, "b"), "low");
  EXPECT_EQ(matched(policies, PolicyTarget::exchanges, "abc"), "low");
  EXPECT_EQ(policies.match(PolicyClass::operators, PolicyTarget::streams, "b"), nullptr);
  ASSERT_TRUE(policies.apply(encode_delete(PolicyClass::users, "high")).ok());
  ASSERT_TRUE(policies.apply(encode_delete(PolicyClass::operators, "low")).ok());
  EXPECT_EQ(matched(policies, PolicyTarget::classic_queues, "abc"), "low");
}

TEST(Policies, BearOnTheScopeOfTheirName) {
  Policies policies;
  const std::string inside = scoped("shop", "p");
  for (const Policy& policy : {policy_of("p", "^a", PolicyTarget::all, 0),
                               policy_of(inside, "^a", PolicyTarget::all, 9)}) {
    ASSERT_TRUE(policies.apply(encode_put(policy)).ok());
  }
  const auto on = [&](const std::string& name) {
    return matched(policies, PolicyTarget::classic_queues, name);
  };
  EXPECT_EQ(on("abc"), "p");
  EXPECT_EQ(on(scoped("shop", "abc")), inside);
  EXPECT_EQ(on(scoped("shop", "b")), "");
  EXPECT_EQ(on(scoped("other", "abc")), "");
}

TEST(Policies, OfBothTheSmallerLimitAndTheOperatorsWordsCount) {
  const PolicyDefinition small = {1, 2, 3, 4, Overflow::refuse, "e", "k", 5, "7D", "a", true};
  const PolicyDefinition large = {9, 9, 9, 9, Overflow::drop_oldest, "f", "l", 9, "9D", "b", false};
  const PolicyDefinition both = {1, 2, 3, 4, Overflow::drop_oldest, "f", "l", 5, "9D", "b", false};
  EXPECT_EQ(merged(small, large), both);
  EXPECT_EQ(merged(large, small), small);
  EXPECT_EQ(merged(small, {}), small);
  EXPECT_EQ(merged({}, small), small);
  // A negative limit is none.
  PolicyDefinition unlimited;
  unlimited.failures_max = -1;
  EXPECT_EQ(merged(small, unlimited), small);
  EXPECT_EQ(merged(unlimited, small), small);
  EXPECT_EQ(merged(unlimited, {}), unlimited);
}

TEST(Policies, ASnapshotGivesEqualOnes) {
  Policies policies;
  Policy full = policy_of("full", "x", PolicyTarget::streams, -3);
  full.of = PolicyClass::operators;
  full.definition = {1, 2, 3, 4, Overflow::refuse, "e", "k", -1, "7D", "a", true};
  ASSERT_TRUE(policies.apply(encode_put(full)).ok());
  ASSERT_TRUE(policies.apply(encode_put(policy_of("a", ".*", PolicyTarget::all, 0))).ok());
  Policies again;
  for (const std::string& command : policies.snapshot()) ASSERT_TRUE(again.apply(command).ok());
  ASSERT_EQ(again, policies);
  EXPECT_EQ(*again.find(PolicyClass::operators, "full"), full);
}

TEST(Policies, RefusesWhatIsNoCommand) {
  Policies policies;
  Policy full = policy_of("full", "x", PolicyTarget::streams, -3);
  full.definition = {1, 2, 3, 4, Overflow::refuse, "e", "k", -1, "7D", "a", true};
  const std::string whole = encode_put(full);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(policies.apply(ByteView(whole).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(policies.apply(whole + "x").ok());
  EXPECT_FALSE(policies.apply(whole.substr(0, whole.size() - 1) + "\x02").ok());
  EXPECT_TRUE(policies.all().empty());
}

}  // namespace
}  // namespace trv::model
