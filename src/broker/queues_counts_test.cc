// How many queues are counted in a scope whatever comes and goes, beside a count of all names; and
// what is told of logs that count as queues.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/scoped_name.h"
#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

bool is_picked(const model::TopicSettings& log) { return !log.given.empty(); }

void let_logs_count(TestBroker& broker) {
  broker.round([&] { broker->topics().let_policies_bear_on(is_picked); });
}

model::TopicSettings picked_log() {
  model::TopicSettings log;
  log.given.emplace_back("stream", "");
  return log;
}

void publish(Broker& broker, std::string_view key, int count) {
  for (int i = 0; i < count; ++i) {
    Publication publication;
    publication.routing_key = key;
    publication.record = message("body");
    ASSERT_TRUE(broker.publisher().publish(publication, [](const Published&) {}).ok());
  }
}

std::size_t listed_count(TestBroker& broker, std::string_view scope) {
  std::set<std::string> names;
  for (const QueueFacts& queue : broker->queues().list()) names.insert(queue.name);
  for (const TopicFacts& topic : broker->topics().list()) {
    if (!topic.settings.owned_by_queue && is_picked(topic.settings)) names.insert(topic.name);
  }
  return static_cast<std::size_t>(std::count_if(
      names.begin(), names.end(), [&](const auto& name) { return scope_of(name) == scope; }));
}

// One change of what there is, of names that are few.
void change(Broker& broker, std::mt19937& random) {
  const std::string local(1, static_cast<char>('a' + random() % 4));
  const std::string name = random() % 2 ? local : scoped("shop", local);
  QueueSettings settings;
  Topic* log = broker.topics().find(name);
  switch (random() % 5) {
    case 0:
      settings.durable = random() % 2;
      if (random() % 3 == 0) settings.source = local;
      static_cast<void>(broker.queues().declare(name, settings, {}));
      break;
    case 1:
      static_cast<void>(broker.queues().remove(name, {}));
      break;
    case 2:
      static_cast<void>(broker.topics().create(name, picked_log()));
      break;
    case 3:
      static_cast<void>(broker.topics().remove(name));
      break;
    default:
      if (log && !broker.topics().settings(*log).owned_by_queue) {
        const bool counts = random() % 2;
        static_cast<void>(
            broker.topics().change_settings(*log, counts ? picked_log() : model::TopicSettings()));
      }
  }
}

TEST(QueueCounts, AreThoseOfAListWhateverComesAndGoes) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    TestBroker broker;
    let_logs_count(broker);
    for (int step = 0; step < 200; ++step) {
      broker.round([&] { change(*broker, random); });
      if (random() % 40 == 0) {
        if (random() % 2) broker.checkpoint();
        broker.restart();
        let_logs_count(broker);
      }
      for (const std::string_view scope : {std::string_view("/"), std::string_view("shop")}) {
        ASSERT_EQ(broker->queues().count(scope), listed_count(broker, scope)) << step;
      }
    }
  }
}

TEST(CountedLogs, TellWhatCameAndWhatReadersDid) {
  TestBroker broker;
  let_logs_count(broker);
  broker.round([&] {
    ASSERT_TRUE(broker->topics().create("log", picked_log()).ok());
    ASSERT_TRUE(broker->topics().create("other", {}).ok());
    publish(*broker, "log", 3);
    publish(*broker, "other", 3);
  });
  broker.round([&] {
    for (const char* name : {"log", "other", "none"}) {
      broker->queues().count_read(name, QueueEvent::delivered, 2);
      broker->queues().count_read(name, QueueEvent::completed, 1);
    }
  });
  const auto counted = [&](std::string_view name, QueueEvent event) {
    return broker->queues().log_traffic(name).counts.counts[static_cast<std::size_t>(event)];
  };
  EXPECT_EQ(counted("log", QueueEvent::shown), 3u);
  EXPECT_EQ(counted("log", QueueEvent::delivered), 2u);
  EXPECT_EQ(counted("log", QueueEvent::completed), 1u);
  EXPECT_FALSE(broker->queues().log_traffic("other").counts.any());
  const auto churn = [&](QueuesEvent event) {
    return broker->queues().churn().counts[static_cast<std::size_t>(event)];
  };
  EXPECT_EQ(churn(QueuesEvent::created), 1u);
  broker.round([&] {
    for (const char* name : {"log", "other"}) ASSERT_TRUE(broker->topics().remove(name).ok());
    ASSERT_TRUE(broker->topics().create("log", picked_log()).ok());
  });
  EXPECT_FALSE(broker->queues().log_traffic("log").counts.any()) << "of the one that is gone";
  EXPECT_EQ(churn(QueuesEvent::removed), 1u);
  broker.restart();
  let_logs_count(broker);
  EXPECT_EQ(churn(QueuesEvent::created), 0u) << "it was there";
}

}  // namespace
}  // namespace trv::broker
