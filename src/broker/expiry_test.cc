// Proves that a topic with a deadline is there until then and not afterwards, that the deadline
// survives crashes and checkpoints, and that each end is told once.
#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/keyspaces.h"
#include "broker/rows_test_support.h"

namespace trv::broker {
namespace {

constexpr WallTime long_ago{1};
constexpr WallTime far_off{4'000'000'000'000};
constexpr std::chrono::milliseconds some_ticks{250};

model::TopicSettings expiring(std::optional<WallTime> expires) {
  model::TopicSettings settings;
  settings.expires = expires;
  return settings;
}

std::optional<WallTime> expiry(Broker& broker, std::string_view name) {
  Topic* topic = broker.topics().find(name);
  EXPECT_NE(topic, nullptr) << name;
  return topic ? Topics::settings(*topic).expires : std::nullopt;
}

TEST(Expiry, AnExpiredTopicIsNotThereAndSoonRemoved) {
  TestBroker broker;
  std::vector<std::string> told;
  broker->keyspaces().watch_expired(
      [&](std::string_view name, Commit) { told.emplace_back(name); });
  broker.round([&] {
    ASSERT_TRUE(broker->topics().create("gone", expiring(long_ago)).ok());
    ASSERT_TRUE(broker->topics().create("stays", expiring(far_off)).ok());
    EXPECT_EQ(broker->topics().find("gone"), nullptr);
    EXPECT_EQ(broker->topics().list().size(), 1u);
    EXPECT_EQ(broker->shard("gone").topics.count("gone"), 1u);
  });
  broker.run_for(some_ticks);
  EXPECT_EQ(told, std::vector<std::string>{"gone"});
  broker.round([&] {
    EXPECT_EQ(broker->shard("gone").topics.count("gone"), 0u);
    EXPECT_EQ(expiry(*broker, "stays"), far_off);
  });
}

TEST(Expiry, ANewTopicTakesThePlaceOfAnExpiredOne) {
  TestBroker broker;
  int told = 0;
  broker->keyspaces().watch_expired([&](std::string_view, Commit) { ++told; });
  broker.round([&] {
    Topic* first = broker->topics().create("t", {})->topic;
    ASSERT_TRUE(broker->topics().append(*first, message("old")).ok());
    ASSERT_TRUE(broker->topics().change_settings(*first, expiring(long_ago)).ok());
    auto second = broker->topics().create("t", {});
    ASSERT_TRUE(second.ok());
    EXPECT_FALSE(broker->topics().create("t", {}).ok()) << "this one has not expired";
    ASSERT_TRUE(broker->topics().append(*second->topic, message("new")).ok());
  });
  EXPECT_EQ(told, 1);
  sync(broker);
  broker.crash();
  broker.round([&] {
    Topic* topic = broker->topics().find("t");
    ASSERT_NE(topic, nullptr);
    EXPECT_EQ(broker->topics().live_count(*topic), 1u);
    EXPECT_EQ(broker->topics().read_one(*topic, Sequence(0)).value()->value, "new");
  });
}

TEST(Expiry, DeadlinesSurvive) {
  TestBroker broker;
  broker.round([&] {
    ASSERT_TRUE(broker->topics().create("made", expiring(far_off)).ok());
    Topic* changed = broker->topics().create("changed", {})->topic;
    ASSERT_TRUE(broker->topics().change_settings(*changed, expiring(far_off)).ok());
    Topic* taken = broker->topics().create("taken", expiring(far_off))->topic;
    ASSERT_TRUE(broker->topics().change_settings(*taken, {}).ok());
    ASSERT_TRUE(broker->topics().create("gone", expiring(long_ago)).ok());
  });
  for (int life = 0; life < 3; ++life) {
    if (life == 1) broker.checkpoint();
    sync(broker);
    broker.crash();
    broker.round([&] {
      EXPECT_EQ(expiry(*broker, "made"), far_off);
      EXPECT_EQ(expiry(*broker, "changed"), far_off);
      EXPECT_EQ(expiry(*broker, "taken"), std::nullopt);
      EXPECT_EQ(broker->topics().find("gone"), nullptr);
    });
    broker.run_for(some_ticks);
    EXPECT_EQ(broker->shard("gone").topics.count("gone"), 0u);
  }
}

TEST(Expiry, KeysAreToldOnceToo) {
  TestBroker broker;
  std::vector<std::string> told;
  broker->keyspaces().watch_expired(
      [&](std::string_view name, Commit) { told.emplace_back(name); });
  auto put = [&](std::string_view key, std::optional<WallTime> expires) {
    std::string command;
    model::Keyspace::encode_put(command, key, "v", expires);
    EXPECT_TRUE(broker->keyspaces().execute(Space::more, key, command).ok());
  };
  broker.round([&] {
    put("replaced", long_ago);
    put("replaced", std::nullopt);
    EXPECT_EQ(told, std::vector<std::string>{"replaced"});
    put("dropped", long_ago);
    put("stays", far_off);
  });
  broker.run_for(some_ticks);
  EXPECT_EQ(told, (std::vector<std::string>{"replaced", "dropped"}));
}

}  // namespace
}  // namespace trv::broker
