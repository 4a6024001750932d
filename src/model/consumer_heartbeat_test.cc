// Proves the consumer group protocol: what each heartbeat is answered, that no partition ever has
// two owners however members come, go, lag and repeat themselves, that everybody arrives in the
// end, and that the state is the replay of its commands and the restore of its snapshot.
#include "model/consumer_heartbeat.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>

namespace trv::model {
namespace {

using namespace std::chrono_literals;

constexpr TopicId t_id{11}, u_id{12};

FoundTopics found_all(KnownTopics topics, TopicPatterns patterns = {}) {
  FoundTopics found;
  for (const auto& [name, topic] : topics) found.asked.insert(name);
  found.topics = std::move(topics);
  found.patterns = std::move(patterns);
  return found;
}

FoundTopics t_with(std::int32_t partitions) { return found_all({{"t", {t_id, partitions}}}); }

ConsumerHeartbeat joining(std::string id, std::vector<std::string> topics = {"t"}) {
  ConsumerHeartbeat request;
  request.member_id = std::move(id);
  request.rebalance_timeout = 300s;
  request.topics = std::move(topics);
  request.owned.emplace();
  return request;
}

ConsumerHeartbeat beating(std::string id, std::int32_t epoch) {
  ConsumerHeartbeat request;
  request.member_id = std::move(id);
  request.epoch = epoch;
  return request;
}

// One group, changed through its commands only.
class Consumers {
 public:
  const ConsumerGroup& group() const {
    static const ConsumerGroup nobody;
    const ConsumerGroup* found = state_.find("g");
    return found == nullptr ? nobody : *found;
  }
  ConsumerOutcome beat(const ConsumerHeartbeat& request, const FoundTopics& found) {
    ConsumerOutcome wrong = check_heartbeat(request);
    if (wrong.error != GroupError::none) return wrong;
    ConsumerOutcome outcome = decide_heartbeat(group(), request, found);
    keep(outcome.change);
    return outcome;
  }
  void keep(const ConsumerGroupChange& change) {
    if (change.empty()) return;
    commands_.push_back(ConsumerGroups::encode_change("g", change));
    ASSERT_TRUE(state_.apply(commands_.back()).ok());
    ASSERT_TRUE(group().test_consistent());
  }
  void expect_replayable() const {
    ConsumerGroups replayed, restored;
    for (const std::string& command : commands_) ASSERT_TRUE(replayed.apply(command).ok());
    EXPECT_EQ(replayed, state_);
    ASSERT_TRUE(restored.restore(state_.snapshot()).ok());
    EXPECT_EQ(restored, state_);
  }
  const std::vector<std::string>& commands() const { return commands_; }

 private:
  ConsumerGroups state_;
  std::vector<std::string> commands_;
};

TEST(ConsumerHeartbeat, AMemberGetsAllAndHearsOnlyWhatChanged) {
  Consumers all;
  ConsumerOutcome joined = all.beat(joining("m1"), t_with(3));
  ASSERT_EQ(joined.error, GroupError::none);
  EXPECT_EQ(joined.epoch, 1);
  EXPECT_EQ(joined.assignment, (TopicPartitions{{t_id, {0, 1, 2}}}));
  EXPECT_EQ(all.group().state_name(), "Stable");
  ConsumerOutcome quiet = all.beat(beating("m1", 1), t_with(3));
  EXPECT_EQ(quiet.epoch, 1);
  EXPECT_FALSE(quiet.assignment);
  EXPECT_TRUE(quiet.change.empty()) << "nothing to write for a member that only lives";
  ConsumerHeartbeat whole = joining("m1");
  whole.epoch = 1;
  whole.owned = TopicPartitions{{t_id, {0, 1, 2}}};
  EXPECT_TRUE(all.beat(whole, t_with(3)).assignment) << "who says everything hears everything";
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, APartitionIsGivenUpBeforeItIsGivenAway) {
  Consumers all;
  all.beat(joining("m1"), t_with(2));
  ConsumerOutcome second = all.beat(joining("m2"), t_with(2));
  EXPECT_EQ(second.epoch, 2);
  EXPECT_EQ(second.assignment, TopicPartitions()) << "the other still has both";
  EXPECT_EQ(all.group().state_name(), "Reconciling");

  ConsumerOutcome told = all.beat(beating("m1", 1), t_with(2));
  EXPECT_EQ(told.epoch, 1) << "not before it has given up";
  ASSERT_TRUE(told.assignment);
  ASSERT_EQ(told.assignment->at(t_id).size(), 1u);
  EXPECT_EQ(all.beat(beating("m2", 2), t_with(2)).assignment, std::nullopt);

  ConsumerHeartbeat still = beating("m1", 1);
  still.owned = TopicPartitions{{t_id, {0, 1}}};
  EXPECT_EQ(all.beat(still, t_with(2)).epoch, 1);
  still.owned = told.assignment;
  EXPECT_EQ(all.beat(still, t_with(2)).epoch, 2);
  ConsumerOutcome granted = all.beat(beating("m2", 2), t_with(2));
  ASSERT_TRUE(granted.assignment);
  EXPECT_EQ(granted.assignment->at(t_id).size(), 1u);
  EXPECT_NE(granted.assignment->at(t_id), told.assignment->at(t_id));
  EXPECT_EQ(all.group().state_name(), "Stable");
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, WhoLeavesIsReplaced) {
  Consumers all;
  all.beat(joining("m1"), t_with(2));
  all.beat(joining("m2"), t_with(2));
  ConsumerOutcome left = all.beat(beating("m1", ConsumerHeartbeat::leave), t_with(2));
  EXPECT_EQ(left.error, GroupError::none);
  EXPECT_EQ(left.epoch, -1);
  EXPECT_EQ(all.group().state_name(), "Assigning");
  ConsumerOutcome heir = all.beat(beating("m2", 2), t_with(2));
  EXPECT_EQ(heir.epoch, 3);
  EXPECT_EQ(heir.assignment, (TopicPartitions{{t_id, {0, 1}}}));
  EXPECT_EQ(all.beat(beating("m1", 1), t_with(2)).error, GroupError::unknown_member);
  all.keep(decide_removal(all.group(), {"m2", "nobody"}));
  EXPECT_EQ(all.group().state_name(), "Empty");
  EXPECT_EQ(all.group().epoch(), 4);
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, EpochsFence) {
  Consumers all;
  all.beat(joining("m1"), t_with(2));
  EXPECT_EQ(all.beat(beating("m1", 7), t_with(2)).error, GroupError::fenced_epoch);
  // A topic grows, so the member is moved to epoch 2; its answer is lost.
  EXPECT_EQ(all.beat(beating("m1", 1), t_with(3)).epoch, 2);
  EXPECT_EQ(all.beat(beating("m1", 1), t_with(3)).error, GroupError::fenced_epoch)
      << "it does not say what it has";
  ConsumerHeartbeat again = beating("m1", 1);
  again.owned = TopicPartitions{{t_id, {0, 1}}};
  EXPECT_EQ(all.beat(again, t_with(3)).epoch, 2);
  again.owned = TopicPartitions{{u_id, {0}}};
  EXPECT_EQ(all.beat(again, t_with(3)).error, GroupError::fenced_epoch);
  EXPECT_EQ(check_member_epoch(all.group(), "m1", 2), GroupError::none);
  EXPECT_EQ(check_member_epoch(all.group(), "m1", 1), GroupError::stale_epoch);
  EXPECT_EQ(check_member_epoch(all.group(), "m2", 1), GroupError::unknown_member);
}

TEST(ConsumerHeartbeat, StaticMembersComeBackToWhatTheyHad) {
  Consumers all;
  ConsumerHeartbeat first = joining("m1");
  first.instance_id = "i";
  all.beat(first, t_with(2));
  ConsumerHeartbeat other = joining("m2");
  other.instance_id = "i";
  EXPECT_EQ(all.beat(other, t_with(2)).error, GroupError::instance_in_use);
  ConsumerHeartbeat away = beating("m1", ConsumerHeartbeat::leave_for_a_while);
  EXPECT_EQ(all.beat(away, t_with(2)).error, GroupError::invalid_request);
  away.instance_id = "i";
  ConsumerOutcome gone = all.beat(away, t_with(2));
  EXPECT_EQ(gone.epoch, -2);
  EXPECT_EQ(all.group().epoch(), 1) << "nothing is given to others";
  ConsumerOutcome back = all.beat(other, t_with(2));
  EXPECT_EQ(back.epoch, 1);
  EXPECT_EQ(back.assignment, (TopicPartitions{{t_id, {0, 1}}}));
  EXPECT_EQ(all.group().epoch(), 1);
  EXPECT_EQ(all.group().find("m1"), nullptr);
  ConsumerHeartbeat old = beating("m1", 1);
  old.instance_id = "i";
  EXPECT_EQ(all.beat(old, t_with(2)).error, GroupError::fenced_instance);
  old.instance_id = "j";
  EXPECT_EQ(all.beat(old, t_with(2)).error, GroupError::unknown_member);
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, TopicsComeGrowAndGo) {
  Consumers all;
  EXPECT_EQ(all.beat(joining("m1"), found_all({})).assignment, TopicPartitions());
  ConsumerOutcome made = all.beat(beating("m1", 1), t_with(1));
  EXPECT_EQ(made.epoch, 2);
  EXPECT_EQ(made.assignment, (TopicPartitions{{t_id, {0}}}));
  EXPECT_EQ(all.beat(beating("m1", 2), t_with(2)).assignment, (TopicPartitions{{t_id, {0, 1}}}));
  // Deleted: not found, though asked for.
  FoundTopics none;
  none.asked.insert("t");
  ConsumerOutcome gone = all.beat(beating("m1", 3), none);
  EXPECT_EQ(gone.assignment, TopicPartitions());
  EXPECT_EQ(gone.epoch, 3);
  ConsumerHeartbeat empty_handed = beating("m1", 3);
  empty_handed.owned.emplace();
  EXPECT_EQ(all.beat(empty_handed, none).epoch, 4);
  EXPECT_EQ(all.group().state_name(), "Stable");
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, WhatWasNotAskedForIsAsItWas) {
  Consumers all;
  all.beat(joining("m1"), t_with(2));
  ConsumerOutcome same = all.beat(beating("m1", 1), FoundTopics{});
  EXPECT_TRUE(same.change.empty());
}

TEST(ConsumerHeartbeat, PatternsMatchNamesAndAddToThem) {
  Consumers all;
  ConsumerHeartbeat request = joining("m1", {});
  request.pattern = "u.*";
  KnownTopics topics{{"t", {t_id, 1}}, {"u", {u_id, 2}}};
  ConsumerOutcome joined = all.beat(request, found_all(topics, {{"u.*", {"u"}}}));
  EXPECT_EQ(joined.assignment, (TopicPartitions{{u_id, {0, 1}}}));
  EXPECT_EQ(all.group().topics().size(), 1u);
  EXPECT_EQ(subscribed_patterns(all.group()), (std::set<std::string, std::less<>>{"u.*"}));
  EXPECT_TRUE(all.beat(beating("m1", 1), FoundTopics{}).change.empty()) << "not asked again";
  ConsumerHeartbeat both = beating("m1", 1);
  both.topics = {"t"};
  EXPECT_EQ(all.beat(both, found_all(topics)).assignment,
            (TopicPartitions{{t_id, {0}}, {u_id, {0, 1}}}));
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, WhatAPatternMatchedMayGo) {
  Consumers all;
  ConsumerHeartbeat request = joining("m1", {});
  request.pattern = ".*";
  KnownTopics both{{"t", {t_id, 1}}, {"u", {u_id, 2}}};
  all.beat(request, found_all(both, {{".*", {"t", "u"}}}));
  FoundTopics one;
  one.topics = {{"u", {u_id, 2}}};
  one.patterns = {{".*", {"u"}}};
  ConsumerOutcome told = all.beat(beating("m1", 1), one);
  EXPECT_EQ(told.assignment, (TopicPartitions{{u_id, {0, 1}}}));
  EXPECT_EQ(all.group().epoch(), 2);
  all.expect_replayable();
}

TEST(ConsumerHeartbeat, WhatIsRefused) {
  struct Case {
    const char* name;
    std::function<void(ConsumerHeartbeat&)> spoil;
    GroupError error;
  };
  const Case cases[] = {
      {"no member", [](auto& r) { r.member_id.clear(); }, GroupError::invalid_request},
      {"empty instance", [](auto& r) { r.instance_id = ""; }, GroupError::invalid_request},
      {"empty rack", [](auto& r) { r.rack_id = ""; }, GroupError::invalid_request},
      {"no timeout", [](auto& r) { r.rebalance_timeout.reset(); }, GroupError::invalid_request},
      {"owns not said", [](auto& r) { r.owned.reset(); }, GroupError::invalid_request},
      {"owns something", [](auto& r) { r.owned->emplace(t_id, std::vector<std::int32_t>{0}); },
       GroupError::invalid_request},
      {"no topics", [](auto& r) { r.topics.reset(); }, GroupError::invalid_request},
      {"odd epoch", [](auto& r) { r.epoch = -3; }, GroupError::invalid_request},
      {"assignor", [](auto& r) { r.assignor = "best"; }, GroupError::unknown_assignor},
      {"long names", [](auto& r) { r.topics = {std::string(2u << 20, 'x')}; },
       GroupError::invalid_request},
      {"long pattern", [](auto& r) { r.pattern = std::string(5000, 'x'); },
       GroupError::invalid_pattern},
      {"not a member", [](auto& r) { r.epoch = 1; }, GroupError::unknown_member},
      {"leaves without being there", [](auto& r) { r.epoch = -1; }, GroupError::unknown_member},
  };
  for (const Case& c : cases) {
    Consumers all;
    ConsumerHeartbeat request = joining("m1");
    c.spoil(request);
    EXPECT_EQ(all.beat(request, t_with(1)).error, c.error) << c.name;
    EXPECT_TRUE(all.commands().empty()) << c.name;
  }
}

TEST(ConsumerGroups, DamagedCommandsChangeNothing) {
  Consumers all;
  ConsumerHeartbeat request = joining("m1");
  request.instance_id = "i";
  request.rack_id = "r";
  request.pattern = "x+";
  all.beat(request, found_all({{"t", {t_id, 3}}}, {{"x+", {}}}));
  const std::string& good = all.commands().front();
  for (std::size_t size = 0; size < good.size(); ++size) {
    ConsumerGroups state;
    EXPECT_FALSE(state.apply(good.substr(0, size)).ok()) << size;
    EXPECT_EQ(state, ConsumerGroups());
  }
  ConsumerGroups state;
  EXPECT_FALSE(state.apply(good + "x").ok());
  EXPECT_FALSE(state.restore("\x02").ok());
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    (void)ConsumerGroups().apply(bad);
  }
  ASSERT_TRUE(state.apply(good).ok());
  ASSERT_TRUE(state.apply(ConsumerGroups::encode_forget("g")).ok());
  EXPECT_EQ(state.find("g"), nullptr);
}

// --- random members against what a client may rely on -------------------------------------------

// A client as the real ones are: has what it was last told, gives up at its own pace.
struct Client {
  std::int32_t epoch = 0;
  TopicPartitions has;
  bool unsure = false;  // an answer was lost: says everything the next time, to hear everything
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  void step() {
    switch (random_() % 12) {
      case 0:
        come();
        break;
      case 1:
        go();
        break;
      case 2:
        topics_["t"].partition_count += static_cast<std::int32_t>(random_() % 2);
        topics_["u"] = {TopicId(20 + random_() % 2), 3};
        break;
      case 3:
        lose();
        break;
      default:
        beat(random_() % 3 == 0, random_() % 8 == 0);
    }
    expect_single_owners();
  }

  void settle() {
    for (int round = 0; round < 12; ++round) {
      for (auto& [id, client] : clients_) beat_of(id, client, true, false);
    }
    if (clients_.empty()) return;
    EXPECT_EQ(all_.group().state_name(), "Stable");
    std::size_t total = 0;
    for (const auto& [id, client] : clients_) {
      for (const auto& [topic, indexes] : client.has) total += indexes.size();
    }
    std::size_t wanted = 0;
    for (const auto& [name, topic] : topics_) {
      wanted += static_cast<std::size_t>(topic.partition_count);
    }
    EXPECT_EQ(total, wanted);
    all_.expect_replayable();
  }

 private:
  void come() {
    if (clients_.size() > 5) return;
    std::string id = "m" + std::to_string(next_++);
    ConsumerHeartbeat request = joining(id, {"t", "u"});
    if (random_() % 2) request.assignor = random_() % 2 ? "range" : "uniform";
    ConsumerOutcome outcome = all_.beat(request, found());
    ASSERT_EQ(outcome.error, GroupError::none);
    clients_[id] = {outcome.epoch, *outcome.assignment, false};
  }
  void go() {
    if (clients_.empty()) return;
    auto it = clients_.begin();
    ConsumerOutcome left = all_.beat(beating(it->first, -1), found());
    ASSERT_EQ(left.error, GroupError::none);
    clients_.erase(it);
  }
  // Dead for the group; the client hears of it at its next heartbeat.
  void lose() {
    if (clients_.empty() || random_() % 3) return;
    all_.keep(decide_removal(all_.group(), {clients_.begin()->first}));
    clients_.erase(clients_.begin());
  }
  void beat(bool says, bool answer_lost) {
    if (clients_.empty()) return;
    auto it = clients_.begin();
    std::advance(it, random_() % clients_.size());
    beat_of(it->first, it->second, says, answer_lost);
  }
  void beat_of(const std::string& id, Client& client, bool says, bool answer_lost) {
    ConsumerHeartbeat request = beating(id, client.epoch);
    if (client.unsure) {
      request = joining(id, {"t", "u"});
      request.epoch = client.epoch;
    }
    if (says || client.unsure) request.owned = client.has;
    ConsumerOutcome outcome = all_.beat(request, found());
    if (outcome.error == GroupError::fenced_epoch) {
      client.has.clear();
      outcome = all_.beat(joining(id, {"t", "u"}), found());
      answer_lost = false;
    }
    ASSERT_EQ(outcome.error, GroupError::none) << outcome.message;
    client.unsure = answer_lost;
    if (answer_lost) return;
    client.epoch = outcome.epoch;
    if (outcome.assignment) client.has = *outcome.assignment;
  }
  void expect_single_owners() {
    std::set<std::pair<TopicId, std::int32_t>> owned;
    for (const auto& [id, client] : clients_) {
      for (const auto& [topic, indexes] : client.has) {
        for (std::int32_t index : indexes) {
          EXPECT_TRUE(owned.emplace(topic, index).second) << "two clients read one partition";
        }
      }
    }
  }
  FoundTopics found() const { return found_all(topics_); }

  std::mt19937 random_;
  Consumers all_;
  KnownTopics topics_{{"t", {t_id, 4}}, {"u", {TopicId(20), 3}}};
  std::map<std::string, Client> clients_;
  int next_ = 0;
};

TEST(ConsumerHeartbeat, RandomMembersNeverShareAPartition) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    for (int i = 0; i < 250 && !testing::Test::HasFailure(); ++i) world.step();
    world.settle();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace trv::model
