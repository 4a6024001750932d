// Proves the groups of one core: members meet and get their assignments, offsets are shown once
// they are durable and survive a crash, and nobody is left waiting.
#include "broker/groups.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

model::JoinRequest join_request(std::string member_id) {
  model::JoinRequest request;
  request.member_id = std::move(member_id);
  request.client_id = "client";
  request.session_timeout = std::chrono::seconds(10);
  request.rebalance_timeout = std::chrono::seconds(10);
  request.protocol_type = "consumer";
  request.protocols = {{"range", "metadata"}};
  return request;
}

model::OffsetCommit commit_of(std::int64_t offset) {
  model::OffsetCommit commit;
  commit.partition = {"t", PartitionIndex(0)};
  commit.offset = Offset(offset);
  commit.metadata = "note";
  return commit;
}

constexpr std::int64_t none = -1;

std::int64_t found(TestBroker& broker, const std::string& group) {
  std::int64_t offset = none;
  broker.round([&] {
    auto offsets = broker->groups().find_offsets(group, std::nullopt);
    if (!offsets.offsets.empty()) offset = offsets.offsets.front().committed->offset.value;
  });
  return offset;
}

class GroupsTest : public testing::Test {
 protected:
  // Joins and runs until the first round of the group is over.
  model::JoinReply join(const std::string& group) {
    std::optional<model::JoinReply> reply;
    broker_.round([&] {
      broker_->groups().join(group, join_request(""),
                             [&](model::JoinReply r) { reply = std::move(r); });
    });
    if (!reply) broker_.run_for(std::chrono::milliseconds(700));
    EXPECT_TRUE(reply);
    return reply.value_or(model::JoinReply{});
  }

  // A crash takes what nobody waits for.
  void wait_for(Commit commit) {
    broker_->when_durable(commit, [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  }

  TestBroker broker_;
};

TEST_F(GroupsTest, AMemberJoinsSyncsCommitsAndLeaves) {
  model::JoinReply joined = join("g");
  ASSERT_EQ(joined.error, model::GroupError::none);
  EXPECT_EQ(joined.leader, joined.member_id);
  ASSERT_EQ(joined.members.size(), 1u);
  EXPECT_EQ(joined.members[0].metadata, "metadata");

  std::string assignment;
  broker_.round([&] {
    model::SyncRequest sync;
    sync.member_id = joined.member_id;
    sync.generation = joined.generation;
    sync.assignments = {{joined.member_id, "yours"}};
    broker_->groups().sync("g", std::move(sync),
                           [&](model::SyncReply r) { assignment = r.assignment; });
  });
  EXPECT_EQ(assignment, "yours");

  model::GroupMemberName member{joined.member_id, std::nullopt};
  broker_.round([&] {
    EXPECT_EQ(broker_->groups().heartbeat("g", member, joined.generation), model::GroupError::none);
    EXPECT_EQ(broker_->groups().heartbeat("g", member, joined.generation + 1),
              model::GroupError::illegal_generation);
    auto committed =
        broker_->groups().commit_offsets("g", {member, joined.generation}, {commit_of(5)});
    ASSERT_TRUE(std::holds_alternative<Commit>(committed));
    wait_for(std::get<Commit>(committed));
    EXPECT_FALSE(broker_->is_durable(broker_->groups().find_offsets("g", std::nullopt).shown));
    auto described = broker_->groups().describe("g");
    ASSERT_TRUE(described);
    EXPECT_EQ(described->state, "Stable");
    EXPECT_EQ(broker_->groups().remove("g").error().code, Errc::in_use);
    EXPECT_EQ(broker_->groups().leave("g", {&member, 1}).front(), model::GroupError::none);
  });
  EXPECT_EQ(found(broker_, "g"), 5);
  broker_.crash();
  EXPECT_EQ(found(broker_, "g"), 5);
  broker_.checkpoint();
  broker_.restart();
  EXPECT_EQ(found(broker_, "g"), 5);
  broker_.round([&] {
    auto described = broker_->groups().describe("g");
    ASSERT_TRUE(described);
    EXPECT_EQ(described->state, "Empty");
    Result<Commit> removed = broker_->groups().remove("g");
    ASSERT_TRUE(removed.ok());
    wait_for(*removed);
    EXPECT_FALSE(broker_->groups().describe("g"));
    EXPECT_EQ(broker_->groups().remove("g").error().code, Errc::not_found);
  });
  broker_.crash();
  EXPECT_EQ(found(broker_, "g"), none);
}

TEST_F(GroupsTest, WhoseMembersHaveLeftIsStillOfItsProtocol) {
  auto told = [this] {
    std::vector<std::string> protocols;
    broker_.round([&] {
      for (const Groups::Listed& one : broker_->groups().list()) {
        protocols.push_back(one.group + ":" + one.protocol_type + ":" + one.state);
        EXPECT_EQ(broker_->groups().describe(one.group)->protocol_type, one.protocol_type);
      }
    });
    return protocols;
  };
  model::JoinReply joined = join("g");
  model::GroupMemberName member{joined.member_id, std::nullopt};
  broker_.round([&] {
    model::SyncRequest sync;
    sync.member_id = joined.member_id;
    sync.generation = joined.generation;
    sync.assignments = {{joined.member_id, "yours"}};
    broker_->groups().sync("g", std::move(sync), [](const model::SyncReply&) {});
  });
  broker_.round([&] {
    static_cast<void>(
        broker_->groups().commit_offsets("g", {member, joined.generation}, {commit_of(5)}));
    EXPECT_EQ(broker_->groups().leave("g", {&member, 1}).front(), model::GroupError::none);
  });
  EXPECT_EQ(told(), std::vector<std::string>{"g:consumer:Empty"});
  broker_.round([&] {
    ASSERT_TRUE(broker_->groups().remove("g").ok());
    static_cast<void>(broker_->groups().commit_offsets("g", {}, {commit_of(1)}));
  });
  EXPECT_EQ(told(), std::vector<std::string>{"g::Empty"}) << "another one, without members";
}

TEST_F(GroupsTest, StrangersMayCommitOnlyToEmptyGroups) {
  broker_.round([&] {
    auto alone = broker_->groups().commit_offsets("g", {}, {commit_of(1)});
    EXPECT_TRUE(std::holds_alternative<Commit>(alone));
  });
  join("g");
  broker_.round([&] {
    auto refused = broker_->groups().commit_offsets("g", {}, {commit_of(2)});
    ASSERT_TRUE(std::holds_alternative<Groups::Refused>(refused));
    EXPECT_EQ(std::get<Groups::Refused>(refused).error, model::GroupError::unknown_member);
  });
  EXPECT_EQ(found(broker_, "g"), 1);
}

TEST_F(GroupsTest, UnknownGroupsKnowNobody) {
  broker_.round([&] {
    model::GroupMemberName member{"m", std::nullopt};
    EXPECT_EQ(broker_->groups().heartbeat("none", member, 1), model::GroupError::unknown_member);
    EXPECT_EQ(broker_->groups().leave("none", {&member, 1}).front(),
              model::GroupError::unknown_member);
    bool answered = false;
    broker_->groups().sync("none", {}, [&](model::SyncReply reply) {
      answered = true;
      EXPECT_EQ(reply.error, model::GroupError::unknown_member);
    });
    EXPECT_TRUE(answered);
    EXPECT_FALSE(broker_->groups().describe("none"));
    EXPECT_TRUE(broker_->groups().list().empty());
  });
}

}  // namespace
}  // namespace trv::broker
