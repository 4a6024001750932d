// Proves both assignors: every partition goes to exactly one subscriber; uniform is even and moves
// little; range gives neighbours in the order of the members.
#include "model/consumer_assignor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace trv::model {
namespace {

constexpr TopicId a{1}, b{2}, c{3};

AssignorMember member(std::string_view id, std::vector<TopicId> topics,
                      const TopicPartitions* before = nullptr) {
  return {id, "", std::move(topics), before};
}

std::size_t count(const TopicPartitions& partitions) {
  std::size_t total = 0;
  for (const auto& [topic, indexes] : partitions) total += indexes.size();
  return total;
}

// Fails unless each partition of each subscribed topic is given once, to a subscriber.
void expect_whole(const std::vector<AssignorMember>& members, const PartitionCounts& topics,
                  const Assignment& assignment) {
  std::set<std::pair<TopicId, std::int32_t>> given;
  std::set<TopicId> subscribed;
  for (std::size_t i = 0; i < members.size(); ++i) {
    subscribed.insert(members[i].topics.begin(), members[i].topics.end());
    for (const auto& [topic, indexes] : assignment[i]) {
      EXPECT_TRUE(std::is_sorted(indexes.begin(), indexes.end()));
      EXPECT_TRUE(std::count(members[i].topics.begin(), members[i].topics.end(), topic));
      for (std::int32_t index : indexes) EXPECT_TRUE(given.emplace(topic, index).second);
    }
  }
  std::size_t wanted = 0;
  for (const auto& [topic, partitions] : topics) {
    if (subscribed.contains(topic)) wanted += static_cast<std::size_t>(partitions);
  }
  EXPECT_EQ(given.size(), wanted);
}

TEST(Assignors, UniformIsEvenAndSticky) {
  PartitionCounts topics{{a, 3}, {b, 4}};
  std::vector<AssignorMember> two{member("m1", {a, b}), member("m2", {a, b})};
  Assignment first = assign_uniform(two, topics);
  expect_whole(two, topics, first);
  EXPECT_LE(std::max(count(first[0]), count(first[1])), 4u);

  std::vector<AssignorMember> three{member("m1", {a, b}, &first[0]),
                                    member("m2", {a, b}, &first[1]), member("m3", {a, b})};
  Assignment second = assign_uniform(three, topics);
  expect_whole(three, topics, second);
  EXPECT_EQ(count(second[2]), 2u);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    for (const auto& [topic, indexes] : first[i]) {
      for (std::int32_t index : indexes) {
        auto& now = second[i][topic];
        if (std::find(now.begin(), now.end(), index) == now.end()) ++moved;
      }
    }
  }
  EXPECT_EQ(moved, 2u) << "no more than the newcomer needs";
}

TEST(Assignors, UniformMindsWhoSubscribesToWhat) {
  PartitionCounts topics{{a, 4}, {b, 2}, {c, 1}};
  std::vector<AssignorMember> members{member("m1", {a, b}), member("m2", {a}), member("m3", {c})};
  Assignment assignment = assign_uniform(members, topics);
  expect_whole(members, topics, assignment);
  EXPECT_EQ(count(assignment[0]), 3u);
  EXPECT_EQ(count(assignment[1]), 3u);
  EXPECT_EQ(count(assignment[2]), 1u);
}

TEST(Assignors, RangeGivesNeighboursAndOrdersStaticMembersFirst) {
  PartitionCounts topics{{a, 5}, {b, 5}, {c, 1}};
  std::vector<AssignorMember> members{member("m1", {a, b}), member("m2", {a, b, c})};
  Assignment assignment = assign_range(members, topics);
  expect_whole(members, topics, assignment);
  EXPECT_EQ(assignment[0], (TopicPartitions{{a, {0, 1, 2}}, {b, {0, 1, 2}}}));
  EXPECT_EQ(assignment[1], (TopicPartitions{{a, {3, 4}}, {b, {3, 4}}, {c, {0}}}));
  members[1].instance_id = "static";
  assignment = assign_range(members, topics);
  EXPECT_EQ(assignment[1].at(a), (std::vector<std::int32_t>{0, 1, 2}));
}

TEST(Assignors, NobodyAndNothing) {
  EXPECT_TRUE(assign_uniform({}, {{a, 3}}).empty());
  std::vector<AssignorMember> idle{member("m1", {})};
  EXPECT_EQ(assign("range", idle, {{a, 3}}), Assignment(1));
  EXPECT_EQ(assign("uniform", idle, {{a, 3}}), Assignment(1));
}

TEST(Assignors, WhatMostWish) {
  EXPECT_EQ(choose_assignor({}), "uniform");
  EXPECT_EQ(choose_assignor({"", "", "range"}), "range");
  EXPECT_EQ(choose_assignor({"range", "uniform"}), "uniform");
  EXPECT_EQ(choose_assignor({"range", "uniform", "range"}), "range");
}

TEST(Assignors, RandomGroupsStayWholeAndEven) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    PartitionCounts topics;
    for (std::uint64_t id = 1; id <= 1 + random() % 5; ++id) {
      topics[TopicId(id)] = static_cast<std::int32_t>(1 + random() % 12);
    }
    std::vector<std::string> ids;
    for (unsigned i = 0; i < 1 + random() % 6; ++i) ids.push_back("m" + std::to_string(i));
    std::vector<AssignorMember> members;
    for (const std::string& id : ids) {
      members.push_back(member(id, {}));
      for (const auto& [topic, partitions] : topics) {
        if (random() % 3 != 0) members.back().topics.push_back(topic);
      }
    }
    for (std::string_view name : assignor_names) {
      expect_whole(members, topics, assign(name, members, topics));
    }
    Assignment uniform = assign_uniform(members, topics);
    for (std::size_t i = 0; i < members.size(); ++i) {
      for (const auto& [topic, indexes] : uniform[i]) {
        for (std::size_t j = 0; j < members.size(); ++j) {
          const auto& wanted = members[j].topics;
          if (!std::count(wanted.begin(), wanted.end(), topic)) continue;
          EXPECT_LT(count(uniform[i]), count(uniform[j]) + 2);
        }
      }
    }
    // What is even already does not move.
    for (std::size_t i = 0; i < members.size(); ++i) members[i].before = &uniform[i];
    EXPECT_EQ(assign_uniform(members, topics), uniform);
  }
}

}  // namespace
}  // namespace trv::model
