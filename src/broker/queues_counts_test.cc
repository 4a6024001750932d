// How many queues are counted in a scope whatever comes and goes, beside a count of all names; what
// is told of logs that count as queues; and how fast queues become longer, by a clock of the
// test's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "base/scoped_name.h"
#include "broker/broker_test_support.h"
#include "runtime/test_time.h"

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

// --- lengths -------------------------------------------------------------------------------------

class LengthRatesTest : public testing::Test {
 protected:
  // The interval is over, and a look was taken.
  void pass_interval() {
    passed_ += QueueTraffic::interval;
    runtime::test_set_time_passed(passed_);
    broker_.run_for(std::chrono::milliseconds(5));
  }
  void restart() {
    broker_.restart();
    let_logs_count(broker_);
  }
  // In an interval, to the next whole number.
  std::pair<int, int> changes(const std::string& name) {
    LengthRates rates = broker_->queues().log_traffic(name).length_rates;
    for (const QueueFacts& queue : broker_->queues().list()) {
      if (queue.name == name) rates = queue.length_rates;
    }
    const auto in_interval = [](double rate) { return static_cast<int>(std::lround(rate * 5)); };
    return {in_interval(rates.ready), in_interval(rates.outstanding)};
  }

  // Only while there is no broker may time go back.
  struct Clock {
    Clock() { runtime::test_set_time_passed({}); }
    ~Clock() { runtime::test_set_time_passed({}); }
  };
  Clock clock_;
  TestBroker broker_;
  runtime::Duration passed_{};
};
using Changes = std::pair<int, int>;

TEST_F(LengthRatesTest, OfWhatComesIsTakenAndGoes) {
  pass_interval();
  ConsumerId holder;
  std::vector<Sequence> taken;
  broker_.round([&] {
    ASSERT_TRUE(broker_->queues().declare("q", {}, {}).ok());
    ASSERT_TRUE(broker_->queues().declare("idle", {}, {}).ok());
    publish(*broker_, "q", 10);
    holder = broker_->queues().new_holder();
  });
  EXPECT_EQ(changes("q"), Changes(0, 0)) << "the interval is not over";
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(10, 0));
  EXPECT_EQ(changes("idle"), Changes(0, 0));
  broker_.round([&] {
    for (int i = 0; i < 4; ++i) {
      auto one = broker_->queues().take("q", holder, false);
      ASSERT_TRUE(one.ok() && *one);
      taken.push_back((*one)->sequence);
    }
  });
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(-4, 4));
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(0, 0)) << "nothing has happened";
  broker_.round([&] {
    const auto settle = [&](std::span<const Sequence> which, Settlement how) {
      ASSERT_TRUE(broker_->queues().settle("q", holder, which, how).ok());
    };
    settle({&taken[0], 1}, Settlement::complete);
    settle({&taken[1], 1}, Settlement::release);
  });
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(1, -2));
  broker_.round([&] { ASSERT_TRUE(broker_->queues().purge("q").ok()); });
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(-7, 0));
}

TEST_F(LengthRatesTest, WhatWasThereBeforeHasNotCome) {
  broker_.round([&] {
    ASSERT_TRUE(broker_->queues().declare("q", {}, {}).ok());
    publish(*broker_, "q", 10);
  });
  restart();
  pass_interval();
  broker_.round([&] { publish(*broker_, "q", 1); });
  pass_interval();
  EXPECT_EQ(changes("q"), Changes(1, 0));
  broker_.round([&] {
    QueueSettings settings;
    settings.source = "q";
    ASSERT_TRUE(broker_->queues().declare("over", settings, {}).ok());
    publish(*broker_, "q", 2);
  });
  pass_interval();
  EXPECT_EQ(changes("over"), Changes(2, 0));
}

TEST_F(LengthRatesTest, AQueueThatIsGoneIsNotLookedAt) {
  pass_interval();
  broker_.round([&] {
    for (const char* name : {"a", "b", "c"}) {
      ASSERT_TRUE(broker_->queues().declare(name, {}, {}).ok());
      publish(*broker_, name, 3);
    }
  });
  broker_.round([&] { ASSERT_TRUE(broker_->queues().remove("b", {}).ok()); });
  pass_interval();
  EXPECT_EQ(changes("a"), Changes(3, 0));
  EXPECT_EQ(changes("c"), Changes(3, 0));
}

TEST_F(LengthRatesTest, OfLogsThatCountAsQueues) {
  let_logs_count(broker_);
  broker_.round([&] {
    ASSERT_TRUE(broker_->topics().create("log", picked_log()).ok());
    publish(*broker_, "log", 6);
  });
  restart();
  pass_interval();
  pass_interval();
  EXPECT_EQ(changes("log"), Changes(0, 0));
  for (int i = 0; i < 5; ++i) broker_.round([&] { publish(*broker_, "log", 1); });
  pass_interval();
  EXPECT_EQ(changes("log"), Changes(5, 0));
  broker_.round([&] {
    Topic* log = broker_->topics().find("log");
    const Sequence end = broker_->topics().visible_end(*log);
    ASSERT_TRUE(broker_->topics().trim_to(*log, Sequence(end.value - 1)).ok());
  });
  pass_interval();
  EXPECT_EQ(changes("log"), Changes(-10, 0));
}

}  // namespace
}  // namespace trv::broker
