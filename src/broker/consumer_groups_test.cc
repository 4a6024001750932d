// Proves the consumer groups of one core: topics are found by name and by pattern, what members
// have survives a crash and a checkpoint, the silent and the slow are dropped, and a group is of
// one kind at a time.
#include "broker/consumer_groups.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/groups.h"

namespace trv::broker {
namespace {

using namespace std::chrono_literals;
using model::GroupError;

bool shown(std::string_view name) { return !name.starts_with('/'); }

model::ConsumerHeartbeat joining(std::string id) {
  model::ConsumerHeartbeat request;
  request.member_id = std::move(id);
  request.rebalance_timeout = 60s;
  request.topics = {"t"};
  request.owned.emplace();
  return request;
}

model::ConsumerHeartbeat beating(std::string id, std::int32_t epoch) {
  model::ConsumerHeartbeat request;
  request.member_id = std::move(id);
  request.epoch = epoch;
  return request;
}

class ConsumerGroupsTest : public testing::Test {
 protected:
  void create(const std::string& topic, std::int32_t partitions) {
    broker_.round([&] {
      model::TopicSettings settings;
      settings.partition_count = partitions;
      auto created = broker_->topics().create(topic, settings);
      ASSERT_TRUE(created.ok());
      wait_for(created->commit);
    });
  }
  ConsumerGroups::Answer beat(model::ConsumerHeartbeat request) {
    std::optional<ConsumerGroups::Answer> answer;
    broker_.round([&] {
      consumers().heartbeat("g", std::move(request), shown, [&](ConsumerGroups::Answer given) {
        wait_for(given.shown);
        answer = std::move(given);
      });
    });
    EXPECT_TRUE(answer);
    return answer.value_or(ConsumerGroups::Answer());
  }
  // A crash takes what nobody waits for.
  void wait_for(Commit commit) {
    broker_->when_durable(commit, [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  }
  ConsumerGroups& consumers() { return broker_->groups().consumers(); }
  const model::ConsumerGroup* group() { return consumers().find("g"); }
  std::size_t assigned(const ConsumerGroups::Answer& answer) {
    std::size_t count = 0;
    if (!answer.assignment) return count;
    for (const auto& [topic, indexes] : *answer.assignment) count += indexes.size();
    return count;
  }

  TestBroker broker_;
};

TEST_F(ConsumerGroupsTest, MembersSurviveACrashAndACheckpoint) {
  create("t", 3);
  ConsumerGroups::Answer joined = beat(joining("m"));
  ASSERT_EQ(joined.error, GroupError::none);
  EXPECT_EQ(assigned(joined), 3u);
  broker_.crash();
  ASSERT_NE(group(), nullptr);
  EXPECT_EQ(group()->state_name(), "Stable");
  EXPECT_FALSE(beat(beating("m", joined.epoch)).assignment) << "it goes on as if nothing happened";
  model::ConsumerGroup before = *group();
  broker_.checkpoint();
  broker_.restart();
  EXPECT_TRUE(*group() == before);
  EXPECT_EQ(group()->epoch(), joined.epoch);
  EXPECT_EQ(beat(beating("m", joined.epoch)).error, GroupError::none);
  EXPECT_EQ(beat(beating("m", -1)).error, GroupError::none);
  broker_.round([&] {
    EXPECT_EQ(group()->state_name(), "Empty");
    Result<Commit> removed = broker_->groups().remove("g");
    ASSERT_TRUE(removed.ok());
    wait_for(*removed);
  });
  broker_.crash();
  EXPECT_EQ(group(), nullptr);
}

TEST_F(ConsumerGroupsTest, TopicsThatAppearAreAssigned) {
  model::ConsumerHeartbeat request = joining("m");
  request.pattern = "a[0-9]+";
  EXPECT_EQ(assigned(beat(request)), 0u);
  create("t", 1);
  create("a1", 2);
  create("ab", 2);
  broker_.run_for(1100ms);  // patterns are not looked up at every heartbeat
  ConsumerGroups::Answer found = beat(beating("m", 1));
  EXPECT_EQ(assigned(found), 3u);
  EXPECT_EQ(found.epoch, 2);
}

TEST_F(ConsumerGroupsTest, BadPatternsAreRefused) {
  model::ConsumerHeartbeat request = joining("m");
  request.pattern = "a(";
  EXPECT_EQ(beat(request).error, GroupError::invalid_pattern);
  EXPECT_EQ(group(), nullptr);
}

TEST_F(ConsumerGroupsTest, TheSilentAreDropped) {
  create("t", 2);
  consumers().test_set_session_timeout(20ms);
  beat(joining("m"));
  broker_.run_for(200ms);
  ASSERT_NE(group(), nullptr);
  EXPECT_TRUE(group()->members().empty());
  EXPECT_EQ(beat(beating("m", 1)).error, GroupError::unknown_member);
  broker_.crash();
  EXPECT_TRUE(group()->members().empty());
}

TEST_F(ConsumerGroupsTest, TheSlowAreDropped) {
  create("t", 2);
  model::ConsumerHeartbeat slow = joining("slow");
  slow.rebalance_timeout = 20ms;
  beat(slow);
  beat(joining("other"));
  EXPECT_EQ(assigned(beat(beating("slow", 1))), 1u) << "told to give one up";
  broker_.run_for(200ms);
  EXPECT_EQ(beat(beating("slow", 1)).error, GroupError::unknown_member);
  EXPECT_EQ(assigned(beat(beating("other", 2))), 2u);
}

TEST_F(ConsumerGroupsTest, AGroupIsOfOneKind) {
  create("t", 1);
  model::JoinRequest classic;
  classic.session_timeout = 10s;
  classic.rebalance_timeout = 10s;
  classic.protocol_type = "consumer";
  classic.protocols = {{"range", ""}};
  std::optional<GroupError> told;
  auto join_classic = [&] {
    told.reset();
    broker_.round([&] {
      broker_->groups().join("g", classic, [&](model::JoinReply reply) { told = reply.error; });
    });
  };
  beat(joining("m"));
  join_classic();
  EXPECT_EQ(told, GroupError::inconsistent_protocol);
  beat(beating("m", -1));
  join_classic();
  EXPECT_EQ(told, std::nullopt) << "an empty group may change; it waits for company";
  EXPECT_EQ(group(), nullptr);
  EXPECT_EQ(beat(joining("m")).error, GroupError::other_protocol);
}

TEST_F(ConsumerGroupsTest, OffsetsAreForMembersWithTheirEpoch) {
  create("t", 1);
  std::int32_t epoch = beat(joining("m")).epoch;
  model::OffsetCommit commit;
  commit.partition = {"t", PartitionIndex(0)};
  commit.offset = Offset(5);
  auto error_of = [&](Groups::Committer committer) {
    std::optional<GroupError> error;
    broker_.round([&] {
      auto committed = broker_->groups().commit_offsets("g", committer, {commit});
      auto* refused = std::get_if<Groups::Refused>(&committed);
      error = refused == nullptr ? GroupError::none : refused->error;
    });
    return *error;
  };
  EXPECT_EQ(error_of({{"m", std::nullopt}, epoch, true}), GroupError::none);
  EXPECT_EQ(error_of({{"m", std::nullopt}, epoch + 1, true}), GroupError::stale_epoch);
  EXPECT_EQ(error_of({{"m", std::nullopt}, epoch, false}), GroupError::epoch_required);
  EXPECT_EQ(error_of({{"x", std::nullopt}, epoch, true}), GroupError::unknown_member);
  EXPECT_EQ(error_of({{"", std::nullopt}, -1, true}), GroupError::unknown_member);
  broker_.round([&] {
    EXPECT_EQ(broker_->groups().check_fetch("g", "m", epoch), GroupError::none);
    EXPECT_EQ(broker_->groups().check_fetch("g", "m", epoch - 1), GroupError::stale_epoch);
    EXPECT_EQ(broker_->groups().check_fetch("g", std::nullopt, -1), GroupError::none);
    EXPECT_FALSE(broker_->groups().describe("g"));
    ASSERT_EQ(broker_->groups().list().size(), 1u);
    EXPECT_EQ(broker_->groups().list().front().kind, Groups::Listed::Kind::consumer);
    EXPECT_EQ(broker_->groups().remove("g").error().code, Errc::in_use);
  });
  beat(beating("m", -1));
  EXPECT_EQ(error_of({{"", std::nullopt}, -1, true}), GroupError::none);
}

}  // namespace
}  // namespace trv::broker
