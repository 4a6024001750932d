// Proves the rules of classic consumer groups: each case drives a Group by requests and by its own
// deadlines and looks at the replies; a random run checks what must hold for every schedule.
#include "model/group.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace trv::model {
namespace {

using namespace std::chrono_literals;
using State = Group::State;

// Drives one group and keeps all replies by waiter.
class GroupTest : public ::testing::Test {
 protected:
  JoinRequest request(std::string member_id, std::string metadata = "m") {
    JoinRequest r;
    r.member_id = std::move(member_id);
    r.fresh_member_id = "member-" + std::to_string(++fresh);
    r.session_timeout = 10s;
    r.rebalance_timeout = 60s;
    r.protocol_type = "consumer";
    r.protocols = {{"range", metadata}, {"roundrobin", metadata}};
    return r;
  }
  WaiterId join(JoinRequest r) {
    r.waiter = ++waiter;
    take(group.join(std::move(r), now));
    return waiter;
  }
  WaiterId sync(std::string id, std::int32_t generation,
                std::vector<std::pair<std::string, std::string>> assignments = {},
                std::optional<std::string> instance = {}) {
    SyncRequest r;
    r.waiter = ++waiter;
    r.member_id = std::move(id);
    r.instance_id = std::move(instance);
    r.generation = generation;
    r.assignments = std::move(assignments);
    take(group.sync(std::move(r), now));
    return waiter;
  }
  GroupError leave(GroupMemberName name) {
    GroupEffects effects;
    GroupError error = group.leave(name, now, effects);
    take(std::move(effects));
    return error;
  }
  void take(GroupEffects effects) {
    for (auto& reply : effects.joins) EXPECT_TRUE(joins.emplace(reply.waiter, reply).second);
    for (auto& reply : effects.syncs) EXPECT_TRUE(syncs.emplace(reply.waiter, reply).second);
  }
  void pass(std::chrono::milliseconds time) {
    Moment end = now + time;
    for (auto next = group.next_deadline(); next && *next <= end; next = group.next_deadline()) {
      now = std::max(now, *next);
      take(group.tick(now));
    }
    now = end;
  }
  // A stable group of `count` dynamic members; returns their ids, leader first.
  std::vector<std::string> stable(int count) {
    std::vector<WaiterId> waiters;
    for (int i = 0; i < count; ++i)
      waiters.push_back(join(request("", "meta" + std::to_string(i))));
    pass(7s);
    std::vector<std::string> ids;
    for (WaiterId w : waiters) ids.push_back(joins.at(w).member_id);
    settle(ids);
    return ids;
  }
  // All members of a completing generation sync; the leader gives each "part-<id>".
  void settle(const std::vector<std::string>& ids) {
    ASSERT_EQ(group.state(), State::completing_rebalance);
    for (const auto& id : ids) {
      if (id != group.leader()) sync(id, group.generation());
    }
    std::vector<std::pair<std::string, std::string>> parts;
    for (const auto& id : ids) parts.emplace_back(id, "part-" + id);
    sync(group.leader(), group.generation(), parts);
    ASSERT_EQ(group.state(), State::stable);
  }

  GroupLimits limits;
  Group group{limits};
  Moment now{100s};
  int fresh = 0;
  WaiterId waiter = 0;
  std::map<WaiterId, JoinReply> joins;
  std::map<WaiterId, SyncReply> syncs;
};

TEST_F(GroupTest, FirstRoundWaitsForCompany) {
  auto a = join(request("", "A"));
  EXPECT_EQ(group.state(), State::preparing_rebalance);
  pass(2900ms);
  EXPECT_TRUE(joins.empty());
  auto b = join(request("", "B"));
  pass(200ms);
  EXPECT_TRUE(joins.empty()) << "the wait is extended while members arrive";
  pass(3s);
  ASSERT_EQ(joins.size(), 2u);
  const JoinReply& leader = joins.at(a);
  EXPECT_EQ(leader.error, GroupError::none);
  EXPECT_EQ(leader.generation, 1);
  EXPECT_EQ(leader.leader, leader.member_id);
  EXPECT_EQ(leader.protocol_name, "range");
  ASSERT_EQ(leader.members.size(), 2u);
  EXPECT_EQ(leader.members[0].metadata, "A");
  EXPECT_EQ(leader.members[1].metadata, "B");
  EXPECT_TRUE(joins.at(b).members.empty());
  EXPECT_EQ(joins.at(b).leader, leader.member_id);
}

TEST_F(GroupTest, ExtensionEndsAtTheRebalanceTimeout) {
  auto r = request("");
  r.rebalance_timeout = 7s;
  auto first = join(r);
  for (int i = 0; i < 5; ++i) {
    pass(1900ms);
    if (joins.contains(first)) break;
    join(request(""));
  }
  EXPECT_TRUE(joins.contains(first));
  EXPECT_LE(now - Moment{100s}, 9500ms);
}

TEST_F(GroupTest, ZeroDelayAnswersAtOnce) {
  limits.initial_rebalance_delay = 0ms;
  group = Group(limits);
  auto a = join(request(""));
  ASSERT_TRUE(joins.contains(a));
  EXPECT_EQ(joins.at(a).generation, 1);
  EXPECT_EQ(group.state(), State::completing_rebalance);
}

TEST_F(GroupTest, RefusedJoins) {
  struct Case {
    const char* name;
    void (*change)(JoinRequest&);
    GroupError error;
  };
  stable(1);
  const Case cases[] = {
      {"session too short", [](JoinRequest& r) { r.session_timeout = 5999ms; },
       GroupError::invalid_session_timeout},
      {"session too long", [](JoinRequest& r) { r.session_timeout = 1800001ms; },
       GroupError::invalid_session_timeout},
      {"no protocols", [](JoinRequest& r) { r.protocols.clear(); },
       GroupError::inconsistent_protocol},
      {"no type", [](JoinRequest& r) { r.protocol_type.clear(); },
       GroupError::inconsistent_protocol},
      {"other type", [](JoinRequest& r) { r.protocol_type = "connect"; },
       GroupError::inconsistent_protocol},
      {"nothing in common",
       [](JoinRequest& r) {
         r.protocols = {{"sticky", ""}};
       },
       GroupError::inconsistent_protocol},
      {"foreign id", [](JoinRequest& r) { r.member_id = "stranger"; }, GroupError::unknown_member},
      {"foreign instance",
       [](JoinRequest& r) {
         r.member_id = "stranger";
         r.instance_id = "i";
       },
       GroupError::unknown_member},
  };
  for (const Case& c : cases) {
    auto r = request("");
    c.change(r);
    EXPECT_EQ(joins.at(join(r)).error, c.error) << c.name;
    EXPECT_EQ(group.state(), State::stable) << c.name;
  }
}

TEST_F(GroupTest, TwoStepJoin) {
  auto r = request("");
  r.reserve_member_id = true;
  auto first = joins.at(join(r));
  EXPECT_EQ(first.error, GroupError::member_id_required);
  EXPECT_EQ(group.member_count(), 0u);
  EXPECT_FALSE(group.idle());
  auto second = join(request(first.member_id));
  pass(3s);
  EXPECT_EQ(joins.at(second).error, GroupError::none);
  EXPECT_EQ(joins.at(second).member_id, first.member_id);
}

TEST_F(GroupTest, ReservationExpires) {
  auto r = request("");
  r.reserve_member_id = true;
  auto id = joins.at(join(r)).member_id;
  pass(10s);
  EXPECT_TRUE(group.idle());
  EXPECT_EQ(joins.at(join(request(id))).error, GroupError::unknown_member);
}

TEST_F(GroupTest, RoundWaitsForReservedMember) {
  auto ids = stable(1);
  auto r = request("");
  r.reserve_member_id = true;
  auto reserved = joins.at(join(r)).member_id;
  auto other = join(request(""));
  auto back = join(request(ids[0]));
  EXPECT_FALSE(joins.contains(other));
  auto last = join(request(reserved));
  for (auto w : {other, back, last}) EXPECT_EQ(joins.at(w).generation, 2);
}

TEST_F(GroupTest, FullGroup) {
  limits.members_max = 2;
  group = Group(limits);
  auto r = request("");
  r.reserve_member_id = true;
  auto id = joins.at(join(r)).member_id;
  join(request(""));
  EXPECT_EQ(joins.at(join(request(""))).error, GroupError::group_full);
  r.fresh_member_id = "another";
  EXPECT_EQ(joins.at(join(r)).error, GroupError::group_full);
  auto w = join(request(id));
  pass(7s);
  EXPECT_EQ(joins.at(w).error, GroupError::none) << "the reservation holds a place";
}

TEST_F(GroupTest, AssignmentReachesEveryMember) {
  auto ids = stable(3);
  int answered = 0;
  for (auto& [w, reply] : syncs) {
    EXPECT_EQ(reply.error, GroupError::none);
    EXPECT_EQ(reply.protocol_name, "range");
    answered += reply.assignment.rfind("part-", 0) == 0;
  }
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(syncs.at(sync(ids[2], 1)).assignment, "part-" + ids[2]) << "again, after the leader";
}

TEST_F(GroupTest, SyncErrors) {
  auto ids = stable(2);
  EXPECT_EQ(syncs.at(sync("stranger", 1)).error, GroupError::unknown_member);
  EXPECT_EQ(syncs.at(sync(ids[0], 2)).error, GroupError::illegal_generation);
  SyncRequest r;
  r.waiter = ++waiter;
  r.member_id = ids[0];
  r.generation = 1;
  r.protocol_name = "roundrobin";
  take(group.sync(r, now));
  EXPECT_EQ(syncs.at(waiter).error, GroupError::inconsistent_protocol);
  join(request(""));
  EXPECT_EQ(syncs.at(sync(ids[0], 1)).error, GroupError::rebalance_in_progress);
}

TEST_F(GroupTest, HeartbeatKeepsTheMemberAndReportsTheRound) {
  auto ids = stable(2);
  for (int i = 0; i < 5; ++i) {
    pass(6s);
    for (auto& id : ids) EXPECT_EQ(group.heartbeat({id, {}}, 1, now), GroupError::none);
  }
  EXPECT_EQ(group.heartbeat({"stranger", {}}, 1, now), GroupError::unknown_member);
  EXPECT_EQ(group.heartbeat({ids[0], {}}, 0, now), GroupError::illegal_generation);
  join(request(""));
  EXPECT_EQ(group.heartbeat({ids[0], {}}, 1, now), GroupError::rebalance_in_progress);
}

TEST_F(GroupTest, SilentMemberIsDroppedAndTheOthersRebalance) {
  auto ids = stable(2);
  pass(6s);
  group.heartbeat({ids[0], {}}, 1, now);
  pass(5s);
  EXPECT_EQ(group.state(), State::preparing_rebalance);
  auto w = join(request(ids[0]));
  EXPECT_EQ(joins.at(w).generation, 2);
  EXPECT_EQ(group.member_count(), 1u);
}

TEST_F(GroupTest, LostLeaderIsReplaced) {
  auto ids = stable(3);
  EXPECT_EQ(leave({ids[0], {}}), GroupError::none);
  auto b = join(request(ids[1]));
  auto c = join(request(ids[2]));
  EXPECT_EQ(joins.at(b).leader, ids[1]);
  EXPECT_EQ(joins.at(b).members.size(), 2u);
  EXPECT_TRUE(joins.at(c).members.empty());
}

TEST_F(GroupTest, LeaderThatNeverAssignsIsDropped) {
  auto a = join(request(""));
  auto b = join(request(""));
  pass(6s);
  auto lead = joins.at(a).member_id;
  auto follower = joins.at(b).member_id;
  auto waiting = sync(follower, 1);
  pass(10s);
  EXPECT_EQ(syncs.at(waiting).error, GroupError::rebalance_in_progress);
  EXPECT_EQ(joins.at(join(request(follower))).leader, follower);
  EXPECT_EQ(group.heartbeat({lead, {}}, 1, now), GroupError::unknown_member);
}

TEST_F(GroupTest, MemberThatHeartbeatsButNeverSyncsIsDropped) {
  auto a = join(request(""));
  auto b = join(request(""));
  pass(6s);
  auto lead = joins.at(a).member_id;
  auto lazy = joins.at(b).member_id;
  sync(lead, 1, {{lead, "all"}});
  for (int i = 0; i < 12; ++i) {
    pass(5s);
    group.heartbeat({lead, {}}, 1, now);
    group.heartbeat({lazy, {}}, 1, now);
  }
  EXPECT_EQ(group.heartbeat({lazy, {}}, 1, now), GroupError::unknown_member);
}

TEST_F(GroupTest, FollowerRejoinUnchangedGetsTheGeneration) {
  auto ids = stable(2);
  auto reply = joins.at(join(request(ids[1], "meta1")));
  EXPECT_EQ(reply.generation, 1);
  EXPECT_TRUE(reply.members.empty());
  EXPECT_EQ(group.state(), State::stable);
}

TEST_F(GroupTest, FollowerRejoinChangedStartsARound) {
  auto ids = stable(2);
  auto w = join(request(ids[1], "other topics"));
  EXPECT_EQ(group.state(), State::preparing_rebalance);
  auto reply = joins.at(join(request(ids[0])));
  EXPECT_EQ(reply.generation, 2);
  EXPECT_EQ(joins.at(w).generation, 2);
}

TEST_F(GroupTest, LeaderRejoinStartsARound) {
  auto ids = stable(2);
  join(request(ids[0], "meta0"));
  EXPECT_EQ(group.state(), State::preparing_rebalance);
}

TEST_F(GroupTest, RepeatedJoinWhileCompletingGetsTheGenerationAgain) {
  auto a = join(request("", "A"));
  pass(7s);
  auto id = joins.at(a).member_id;
  auto again = joins.at(join(request(id, "A")));
  EXPECT_EQ(again.generation, 1);
  EXPECT_EQ(again.members.size(), 1u);
}

TEST_F(GroupTest, SecondJoinAnswersTheFirst) {
  auto ids = stable(2);
  auto first = join(request(ids[0]));
  auto second = join(request(ids[0]));
  EXPECT_EQ(joins.at(first).error, GroupError::rebalance_in_progress);
  EXPECT_FALSE(joins.contains(second));
}

TEST_F(GroupTest, RoundEndsWithoutTheMissingAfterTheRebalanceTimeout) {
  auto ids = stable(2);
  auto w = join(request(ids[0]));
  for (int i = 0; i < 12; ++i) {
    pass(5s);
    group.heartbeat({ids[1], {}}, 1, now);
  }
  EXPECT_EQ(joins.at(w).generation, 2);
  EXPECT_EQ(group.member_count(), 1u);
}

TEST_F(GroupTest, ProtocolByVotes) {
  auto with = [&](std::vector<GroupProtocol> protocols) {
    auto r = request("");
    r.protocols = std::move(protocols);
    return join(r);
  };
  auto a = with({{"range", ""}, {"sticky", ""}});
  with({{"sticky", ""}, {"range", ""}});
  with({{"other", ""}, {"sticky", ""}, {"range", ""}});
  pass(7s);
  EXPECT_EQ(joins.at(a).protocol_name, "sticky");
}

TEST_F(GroupTest, LeaveOfTheLastMemberEmptiesTheGroup) {
  auto ids = stable(1);
  EXPECT_EQ(leave({"stranger", {}}), GroupError::unknown_member);
  EXPECT_EQ(group.remove(), GroupError::group_not_empty);
  EXPECT_EQ(leave({ids[0], {}}), GroupError::none);
  EXPECT_EQ(group.state(), State::empty);
  EXPECT_TRUE(group.idle());
  EXPECT_FALSE(group.next_deadline());
  EXPECT_EQ(group.remove(), GroupError::none);
  EXPECT_EQ(joins.at(join(request(""))).error, GroupError::unavailable);
  EXPECT_EQ(group.remove(), GroupError::unavailable);
}

TEST_F(GroupTest, LeaveAnswersTheWaitingJoin) {
  auto ids = stable(2);
  auto w = join(request(ids[0]));
  leave({ids[0], {}});
  EXPECT_EQ(joins.at(w).error, GroupError::unknown_member);
}

class StaticGroupTest : public GroupTest {
 protected:
  JoinRequest named(std::string id, std::string instance) {
    auto r = request(std::move(id), "meta-" + instance);
    r.instance_id = std::move(instance);
    return r;
  }
  void SetUp() override {
    auto a = join(named("", "one"));
    auto b = join(named("", "two"));
    pass(7s);
    one = joins.at(a).member_id;
    two = joins.at(b).member_id;
    ASSERT_EQ(group.leader(), one);
    sync(two, 1, {}, "two");
    sync(one, 1, {{one, "p1"}, {two, "p2"}}, "one");
    ASSERT_EQ(group.state(), State::stable);
  }
  std::string one, two;
};

TEST_F(StaticGroupTest, ReplacementKeepsGenerationAndAssignment) {
  auto reply = joins.at(join(named("", "two")));
  EXPECT_EQ(reply.error, GroupError::none);
  EXPECT_EQ(reply.generation, 1);
  EXPECT_NE(reply.member_id, two);
  EXPECT_EQ(group.state(), State::stable);
  EXPECT_EQ(syncs.at(sync(reply.member_id, 1, {}, "two")).assignment, "p2");
  EXPECT_EQ(group.heartbeat({two, "two"}, 1, now), GroupError::fenced_instance);
  EXPECT_EQ(group.heartbeat({two, {}}, 1, now), GroupError::unknown_member);
  EXPECT_EQ(syncs.at(sync(two, 1, {}, "two")).error, GroupError::fenced_instance);
  EXPECT_EQ(joins.at(join(named(two, "two"))).error, GroupError::fenced_instance);
  EXPECT_EQ(leave({two, "two"}), GroupError::fenced_instance);
  EXPECT_EQ(group.check_commit({two, "two"}, 1, Group::Commit::plain, now),
            GroupError::fenced_instance);
}

TEST_F(StaticGroupTest, ReplacedLeaderDoesNotAssignAgain) {
  auto old_client = joins.at(join(named("", "one")));
  EXPECT_NE(old_client.leader, old_client.member_id);
  EXPECT_TRUE(old_client.members.empty());
  EXPECT_EQ(group.leader(), old_client.member_id);
  auto r = named("", "one");
  r.may_skip_assignment = true;
  auto new_client = joins.at(join(r));
  EXPECT_TRUE(new_client.skip_assignment);
  EXPECT_EQ(new_client.leader, new_client.member_id);
  EXPECT_EQ(new_client.members.size(), 2u);
  EXPECT_EQ(syncs.at(sync(new_client.member_id, 1, {}, "one")).assignment, "p1");
}

TEST_F(StaticGroupTest, ReplacementDuringARoundFencesTheWaiter) {
  auto w = join(named(two, "two"));  // unchanged: current generation
  EXPECT_EQ(joins.at(w).generation, 1);
  auto changed = named(two, "two");
  changed.protocols[0].metadata = "new";
  auto waiting = join(changed);
  EXPECT_FALSE(joins.contains(waiting));
  auto replacing = join(named("", "two"));
  EXPECT_EQ(joins.at(waiting).error, GroupError::fenced_instance);
  auto lead = join(named(one, "one"));
  EXPECT_EQ(joins.at(lead).generation, 2);
  EXPECT_EQ(joins.at(replacing).generation, 2);
}

TEST_F(StaticGroupTest, MissingStaticMemberKeepsItsPlaceUntilItsSessionEnds) {
  group = Group(limits);
  auto slow = named("", "slow");
  slow.session_timeout = 300s;
  auto a = join(named("", "one"));
  auto b = join(slow);
  pass(7s);
  auto id = joins.at(a).member_id;
  sync(id, 1, {}, "one");
  auto again = join(named(id, "one"));
  pass(60s);
  EXPECT_EQ(joins.at(again).generation, 2);
  EXPECT_EQ(joins.at(again).members.size(), 2u) << "the leader still assigns to it";
  EXPECT_EQ(group.heartbeat({joins.at(b).member_id, "slow"}, 1, now),
            GroupError::illegal_generation);
}

TEST_F(StaticGroupTest, SessionEndRemovesStaticMembersToo) {
  pass(11s);
  EXPECT_EQ(group.member_count(), 0u);
  EXPECT_EQ(group.state(), State::empty);
}

TEST_F(StaticGroupTest, LeaveByInstanceName) {
  EXPECT_EQ(leave({"", "nobody"}), GroupError::unknown_member);
  EXPECT_EQ(leave({"", "two"}), GroupError::none);
  EXPECT_EQ(group.member_count(), 1u);
}

TEST_F(GroupTest, CommitRules) {
  using Commit = Group::Commit;
  EXPECT_EQ(group.check_commit({"", {}}, -1, Commit::plain, now), GroupError::none);
  EXPECT_EQ(group.check_commit({"x", {}}, -1, Commit::plain, now), GroupError::none);
  EXPECT_EQ(group.check_commit({"x", {}}, 3, Commit::plain, now), GroupError::unknown_member);
  auto ids = stable(2);
  EXPECT_EQ(group.check_commit({"", {}}, -1, Commit::plain, now), GroupError::unknown_member);
  EXPECT_EQ(group.check_commit({"", {}}, -1, Commit::transactional, now), GroupError::none);
  EXPECT_EQ(group.check_commit({ids[0], {}}, 1, Commit::plain, now), GroupError::none);
  EXPECT_EQ(group.check_commit({ids[0], {}}, 0, Commit::plain, now),
            GroupError::illegal_generation);
  join(request(""));
  EXPECT_EQ(group.check_commit({ids[0], {}}, 1, Commit::plain, now), GroupError::none)
      << "members commit before they join again";
  join(request(ids[0]));
  join(request(ids[1]));
  ASSERT_EQ(group.state(), State::completing_rebalance);
  EXPECT_EQ(group.check_commit({ids[0], {}}, 2, Commit::plain, now),
            GroupError::rebalance_in_progress);
}

TEST_F(GroupTest, Describe) {
  auto ids = stable(2);
  auto description = group.describe();
  EXPECT_EQ(description.state, "Stable");
  EXPECT_EQ(description.protocol_name, "range");
  ASSERT_EQ(description.members.size(), 2u);
  EXPECT_EQ(description.members[0].assignment, "part-" + description.members[0].member_id);
  join(request(""));
  description = group.describe();
  EXPECT_EQ(description.state, "PreparingRebalance");
  EXPECT_EQ(description.members[0].assignment, "");
}

// Random schedules of clients that behave as clients do, with losses. For every schedule:
// each request gets exactly one reply; members of one generation agree about leader and protocol;
// nobody gets an assignment of another generation; the generation never falls; and when the clients
// are left alone, the group becomes stable or empty.
class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed), group_(limits()) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    for (int i = 0; i < 600; ++i) {  // no losses any more: everybody follows the protocol
      for (auto& client : clients_) follow(client);
      advance(500ms);
    }
    EXPECT_TRUE(group_.state() == State::stable || group_.state() == State::empty)
        << group_.state_name();
    for (auto& client : clients_) {
      if (client.member_id.empty()) continue;
      EXPECT_EQ(client.generation, group_.generation());
      EXPECT_EQ(client.assignment, part(client.generation, client.member_id));
    }
  }

 private:
  struct Client {
    std::string member_id;
    std::optional<std::string> instance;
    std::int32_t generation = -1;
    std::string assignment;
    enum class Step { join, joining, sync, syncing, work, gone } step = Step::gone;
    WaiterId waits = 0;
    std::vector<std::string> to_assign;
  };

  static GroupLimits limits() {
    GroupLimits limits;
    limits.members_max = 5;
    return limits;
  }
  static std::string part(std::int32_t generation, const std::string& id) {
    return std::to_string(generation) + ":" + id;
  }
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void step() {
    if (clients_.size() < 6) {
      clients_.emplace_back();
      if (pick(2) == 0) clients_.back().instance = "static-" + std::to_string(pick(3));
    }
    Client& client = clients_[static_cast<std::size_t>(pick(static_cast<int>(clients_.size())))];
    switch (pick(12)) {
      case 0:  // the process dies and comes back knowing nothing
        client = Client{{}, client.instance, -1, {}, Client::Step::join, 0, {}};
        break;
      case 1: {
        if (client.member_id.empty()) break;
        GroupEffects effects;
        group_.leave({client.member_id, client.instance}, now_, effects);
        client = Client{{}, client.instance, -1, {}, Client::Step::gone, 0, {}};
        deliver(std::move(effects));
        break;
      }
      case 2:
        if (client.step == Client::Step::gone) client.step = Client::Step::join;
        break;
      case 3:  // a lost connection: asks again, the old waiter is never looked at
        if (client.step == Client::Step::joining) client.step = Client::Step::join;
        if (client.step == Client::Step::syncing) client.step = Client::Step::sync;
        client.waits = 0;
        break;
      case 4:
        advance(std::chrono::milliseconds(pick(12'000)));
        break;
      default:
        follow(client);
        advance(std::chrono::milliseconds(pick(300)));
    }
  }

  void follow(Client& client) {
    using Step = Client::Step;
    switch (client.step) {
      case Step::join: {
        JoinRequest r;
        r.waiter = client.waits = ask();
        r.member_id = client.member_id;
        r.fresh_member_id = "m" + std::to_string(++fresh_);
        r.instance_id = client.instance;
        r.session_timeout = 10s;
        r.rebalance_timeout = 20s;
        r.protocol_type = "consumer";
        r.protocols = {{"range", "t"}};
        r.reserve_member_id = pick(2) == 0;
        client.step = Step::joining;
        deliver(group_.join(std::move(r), now_));
        break;
      }
      case Step::sync: {
        SyncRequest r;
        r.waiter = client.waits = ask();
        r.member_id = client.member_id;
        r.instance_id = client.instance;
        r.generation = client.generation;
        for (auto& id : client.to_assign) {
          r.assignments.emplace_back(id, part(client.generation, id));
        }
        client.step = Step::syncing;
        deliver(group_.sync(std::move(r), now_));
        break;
      }
      case Step::work:
        on_error(client,
                 group_.heartbeat({client.member_id, client.instance}, client.generation, now_));
        break;
      case Step::joining:
      case Step::syncing:
      case Step::gone:
        break;
    }
  }

  void on_error(Client& client, GroupError error) {
    if (error == GroupError::none) return;
    client.step = Client::Step::join;
    client.waits = 0;
    if (error == GroupError::unknown_member || error == GroupError::illegal_generation) {
      client.member_id.clear();
    }
    if (error == GroupError::fenced_instance || error == GroupError::group_full) {
      client.member_id.clear();
      client.step = Client::Step::gone;
    }
  }

  WaiterId ask() {
    open_.insert(++waiter_);
    return waiter_;
  }

  void deliver(GroupEffects effects) {
    EXPECT_GE(group_.generation(), generation_);
    generation_ = group_.generation();
    for (auto& reply : effects.joins) {
      EXPECT_EQ(open_.erase(reply.waiter), 1u) << "answered twice or never asked";
      if (reply.error == GroupError::none) {
        auto [it, first] = protocols_.emplace(reply.generation, reply.protocol_name);
        EXPECT_EQ(it->second, reply.protocol_name);
      }
      for (auto& client : clients_) {
        if (client.waits != reply.waiter) continue;
        client.waits = 0;
        if (reply.error == GroupError::member_id_required) {
          client.member_id = reply.member_id;
          client.step = Client::Step::join;
        } else if (reply.error != GroupError::none) {
          on_error(client, reply.error);
        } else {
          client.member_id = reply.member_id;
          client.generation = reply.generation;
          client.to_assign.clear();
          for (auto& member : reply.members) client.to_assign.push_back(member.member_id);
          client.step = Client::Step::sync;
        }
      }
    }
    for (auto& reply : effects.syncs) {
      EXPECT_EQ(open_.erase(reply.waiter), 1u) << "answered twice or never asked";
      for (auto& client : clients_) {
        if (client.waits != reply.waiter) continue;
        client.waits = 0;
        if (reply.error != GroupError::none) {
          on_error(client, reply.error);
          continue;
        }
        // A static member that came back gets what its predecessor had.
        EXPECT_EQ(reply.assignment.rfind(std::to_string(client.generation) + ":", 0), 0u);
        if (!client.instance) {
          EXPECT_EQ(reply.assignment, part(client.generation, client.member_id));
        }
        client.assignment =
            client.instance ? part(client.generation, client.member_id) : reply.assignment;
        client.step = Client::Step::work;
      }
    }
    EXPECT_EQ(group_.idle() ? 0u : group_.member_count(), group_.member_count());
    EXPECT_LE(group_.member_count(), 5u);
  }

  void advance(std::chrono::milliseconds time) {
    Moment end = now_ + time;
    for (auto next = group_.next_deadline(); next && *next <= end; next = group_.next_deadline()) {
      now_ = std::max(now_, *next);
      deliver(group_.tick(now_));
    }
    now_ = end;
  }

  std::mt19937 random_;
  Group group_;
  Moment now_{1s};
  std::vector<Client> clients_;
  std::set<WaiterId> open_;
  std::map<std::int32_t, std::string> protocols_;
  WaiterId waiter_ = 0;
  int fresh_ = 0;
  std::int32_t generation_ = 0;
};

TEST(GroupRandom, SchedulesKeepTheInvariants) {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Simulation(seed).run(300);
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace trv::model
