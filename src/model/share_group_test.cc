// Proves the members of share groups: who gets which partitions, which epochs are good, and that
// the records of such groups survive replay and snapshots.
#include "model/share_group.h"

#include <gtest/gtest.h>

#include <random>

#include "model/share_assignor.h"

namespace trv::model {
namespace {

FoundTopics found(const std::vector<std::pair<std::string, std::int32_t>>& topics) {
  FoundTopics found;
  std::uint64_t id = 1;
  for (const auto& [name, partitions] : topics) {
    found.asked.insert(name);
    if (partitions > 0) found.topics[name] = {TopicId(id), partitions};
    ++id;
  }
  return found;
}

ShareHeartbeat joining(std::string id, std::vector<std::string> topics = {"t"}) {
  ShareHeartbeat request;
  request.member_id = std::move(id);
  request.topics = std::move(topics);
  return request;
}

ShareHeartbeat beating(std::string id, std::int32_t epoch) {
  ShareHeartbeat request;
  request.member_id = std::move(id);
  request.epoch = epoch;
  return request;
}

std::size_t count(const TopicPartitions& partitions) {
  std::size_t count = 0;
  for (const auto& [topic, indexes] : partitions) count += indexes.size();
  return count;
}

TEST(ShareGroup, MembersComeAndGo) {
  ShareGroup group;
  FoundTopics two = found({{"t", 2}});
  EXPECT_EQ(group.state_name(), "Empty");
  ShareAnswer a = group.heartbeat(joining("a"), two);
  EXPECT_EQ(a.epoch, 1);
  EXPECT_EQ(count(*a.assignment), 2u);
  EXPECT_FALSE(group.heartbeat(beating("a", 1), two).assignment) << "nothing new";
  ShareAnswer b = group.heartbeat(joining("b"), two);
  EXPECT_EQ(b.epoch, 2);
  EXPECT_EQ(count(*b.assignment), 1u);
  a = group.heartbeat(beating("a", 1), two);
  EXPECT_EQ(a.epoch, 2);
  EXPECT_EQ(count(*a.assignment), 1u);
  ShareAnswer c = group.heartbeat(joining("c"), two);
  EXPECT_EQ(count(*c.assignment), 1u) << "shared with one of the others";
  EXPECT_EQ(group.heartbeat(beating("b", -1), two).epoch, -1);
  EXPECT_EQ(group.heartbeat(beating("b", 2), two).error, GroupError::unknown_member);
  group.remove({"c", "nobody"});
  a = group.heartbeat(beating("a", 2), two);
  EXPECT_EQ(count(*a.assignment), 2u);
  EXPECT_EQ(group.state_name(), "Stable");
}

TEST(ShareGroup, EpochsAreChecked) {
  ShareGroup group;
  FoundTopics one = found({{"t", 1}});
  group.heartbeat(joining("a"), one);
  group.heartbeat(joining("b"), one);
  EXPECT_EQ(group.heartbeat(beating("a", 1), one).epoch, 2);
  EXPECT_EQ(group.heartbeat(beating("a", 1), one).epoch, 2) << "the answer may have been lost";
  EXPECT_EQ(group.heartbeat(beating("a", 3), one).error, GroupError::fenced_epoch);
  group.heartbeat(joining("c"), one);
  EXPECT_EQ(group.heartbeat(beating("a", 2), one).epoch, 3);
  EXPECT_EQ(group.heartbeat(beating("a", 1), one).error, GroupError::fenced_epoch);
  EXPECT_EQ(group.heartbeat(joining("a"), one).epoch, 3) << "it may always join again";
  EXPECT_EQ(group.heartbeat(beating("x", 1), one).error, GroupError::unknown_member);
  EXPECT_EQ(group.heartbeat(beating("x", -1), one).error, GroupError::unknown_member);
}

TEST(ShareGroup, TopicsThatChangeAreAssignedAnew) {
  ShareGroup group;
  EXPECT_EQ(
      count(*group.heartbeat(joining("a", {"t", "u"}), found({{"t", 0}, {"u", 0}})).assignment),
      0u);
  ShareAnswer grown = group.heartbeat(beating("a", 1), found({{"t", 2}, {"u", 0}}));
  EXPECT_EQ(grown.epoch, 2);
  EXPECT_EQ(count(*grown.assignment), 2u);
  ShareHeartbeat other = beating("a", 2);
  other.topics = {"u"};
  EXPECT_EQ(count(*group.heartbeat(other, found({{"t", 2}, {"u", 3}})).assignment), 3u);
  EXPECT_EQ(group.topics().size(), 1u);
}

TEST(ShareGroup, BadRequestsAreRefused) {
  EXPECT_EQ(check_share_heartbeat(joining("a")).error, GroupError::none);
  EXPECT_EQ(check_share_heartbeat(joining("")).error, GroupError::invalid_request);
  EXPECT_EQ(check_share_heartbeat(joining("a", {})).error, GroupError::invalid_request);
  EXPECT_EQ(check_share_heartbeat(beating("a", 0)).error, GroupError::invalid_request);
  EXPECT_EQ(check_share_heartbeat(beating("a", -2)).error, GroupError::invalid_request);
  ShareHeartbeat rack = joining("a");
  rack.rack_id = "";
  EXPECT_EQ(check_share_heartbeat(rack).error, GroupError::invalid_request);
  ShareGroup group;
  for (std::size_t i = 0; i < share_members_max; ++i) {
    group.heartbeat(joining("m" + std::to_string(i)), found({{"t", 1}}));
  }
  EXPECT_EQ(group.heartbeat(joining("one more"), found({{"t", 1}})).error, GroupError::group_full);
}

TEST(ShareAssignor, SharesEvenlyAndKeepsWhatItCan) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < 1 + random() % 12; ++i) names.push_back("m" + std::to_string(i));
    PartitionCounts counts{{TopicId(1), static_cast<std::int32_t>(1 + random() % 6)},
                           {TopicId(2), static_cast<std::int32_t>(random() % 5)}};
    std::vector<AssignorMember> members;
    for (const std::string& name : names) members.push_back({name, "", {TopicId(1), TopicId(2)}});
    Assignment assigned = assign_shared(members, counts);
    std::map<std::pair<TopicId, std::int32_t>, std::size_t> sharers;
    std::size_t least = SIZE_MAX;
    std::size_t most = 0;
    for (const TopicPartitions& one : assigned) {
      least = std::min(least, count(one));
      most = std::max(most, count(one));
      for (const auto& [topic, indexes] : one) {
        EXPECT_TRUE(std::is_sorted(indexes.begin(), indexes.end()));
        for (std::int32_t index : indexes) ++sharers[{topic, index}];
      }
    }
    std::size_t partitions = 0;
    for (const auto& [topic, n] : counts) partitions += static_cast<std::size_t>(n);
    EXPECT_EQ(sharers.size(), partitions) << "each has somebody";
    EXPECT_GE(least, 1u);
    EXPECT_LE(most - least, 1u);
    std::size_t shared_least = SIZE_MAX;
    std::size_t shared_most = 0;
    for (const auto& [partition, n] : sharers) {
      shared_least = std::min(shared_least, n);
      shared_most = std::max(shared_most, n);
    }
    EXPECT_LE(shared_most - shared_least, 1u);
    for (std::size_t i = 0; i < members.size(); ++i) members[i].before = &assigned[i];
    EXPECT_EQ(assign_shared(members, counts), assigned) << "nothing moves without a cause";
  }
}

TEST(ShareAssignor, SubscriptionsThatDifferAreServedApart) {
  std::vector<AssignorMember> members{{"a", "", {TopicId(1)}}, {"b", "", {TopicId(1), TopicId(2)}}};
  Assignment assigned = assign_shared(members, {{TopicId(1), 2}, {TopicId(2), 1}});
  EXPECT_EQ(count(assigned[0]), 2u);
  EXPECT_EQ(count(assigned[1]), 3u);
}

TEST(ShareGroupRecords, SurviveReplayAndSnapshots) {
  ShareGroupRecords records;
  EXPECT_TRUE(records.apply(ShareGroupRecords::encode_settings("g", {{"k", "v"}})).ok());
  EXPECT_FALSE(records.exists("g"));
  EXPECT_TRUE(records.apply(ShareGroupRecords::encode_create("g")).ok());
  EXPECT_TRUE(records.apply(ShareGroupRecords::encode_create("h")).ok());
  EXPECT_EQ(records.names(), (std::vector<std::string>{"g", "h"}));
  ShareGroupRecords restored;
  EXPECT_TRUE(restored.restore(records.snapshot()).ok());
  EXPECT_TRUE(restored == records);
  EXPECT_EQ(restored.settings("g").at("k"), "v");
  EXPECT_TRUE(records.apply(ShareGroupRecords::encode_forget("h")).ok());
  EXPECT_TRUE(records.apply(ShareGroupRecords::encode_forget("g")).ok());
  EXPECT_TRUE(records.names().empty());
  EXPECT_EQ(records.settings("g").size(), 1u) << "they outlive the group";
  std::string snapshot = records.snapshot();
  for (std::size_t size = 0; size < snapshot.size(); ++size) {
    EXPECT_FALSE(ShareGroupRecords().restore(snapshot.substr(0, size)).ok());
  }
  EXPECT_FALSE(records.apply("\x09\x01g").ok());
}

}  // namespace
}  // namespace trv::model
