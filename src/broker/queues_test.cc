// Proves what queues with limits, priorities, counted failures, a single active consumer or a life
// span do, also after a crash, and that units are whole.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

using Bodies = std::vector<std::string>;

Published publish(Broker& broker, std::string_view key, std::string_view body,
                  std::string_view envelope = "-1;k") {
  Publication publication;
  publication.routing_key = key;
  publication.record = message(body, envelope);
  auto outcome = broker.publisher().publish(publication, [](const Published&) {});
  EXPECT_TRUE(outcome.ok());
  return outcome->published;
}

void declare(Broker& broker, const std::string& name, const QueueSettings& settings = {}) {
  EXPECT_TRUE(broker.queues().declare(name, settings, {}).ok());
}

// Takes everything that is ready.
Bodies drain(TestBroker& broker, std::string_view name) {
  Bodies bodies;
  broker.round([&] {
    ConsumerId holder = broker->queues().new_holder();
    for (;;) {
      auto taken = broker->queues().take(name, holder, true);
      ASSERT_TRUE(taken.ok());
      if (!*taken) return;
      bodies.emplace_back(*(*taken)->record.value);
    }
  });
  return bodies;
}

QueueSettings dying_to(const std::string& queue) {
  QueueSettings settings;
  settings.dead_letter_exchange = "";
  settings.dead_letter_key = queue;
  return settings;
}

// However long it took to come to the disk.
TEST(Queues, WithoutTimeToLiveAMessageGoesToWhoeverWaitsForIt) {
  for (const bool of_queue : {true, false}) {
    for (const std::uint8_t level_max : {std::uint8_t{0}, std::uint8_t{5}}) {
      TestBroker broker;
      QueueSettings settings;
      if (of_queue) settings.message_ttl_ms = 0;
      settings.level_max = level_max;
      Inbox inbox;
      broker.round([&] {
        declare(*broker, "q", settings);
        inbox.id = *broker->queues().subscribe("q", inbox.spec(1));
      });
      const auto publish_late = [&](const char* body) {
        broker.round([&] {
          publish(*broker, "q", body, of_queue ? "-1;k" : "0;k");
          std::this_thread::sleep_for(std::chrono::milliseconds(3));
        });
      };
      publish_late("taken");
      publish_late("too many");
      EXPECT_EQ(inbox.bodies(), Bodies{"taken"});
      EXPECT_EQ(broker->queues().find("q")->ready_count, 0u)
          << "nobody had credit for the other one";
    }
  }
}

TEST(QueueSettings, AreTheSameAfterTheJournal) {
  QueueSettings settings = dying_to("d");
  settings.single_active = settings.strict = true;
  settings.unused_ms_max = 5;
  settings.limits = {7, 0, model::Overflow::refuse_to_dead_letters};
  settings.level_max = 9;
  settings.failures_max = 0;
  std::string bytes;
  encode(settings, bytes);
  auto decoded = decode_queue_settings(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->single_active && decoded->strict);
  EXPECT_EQ(decoded->unused_ms_max, 5);
  EXPECT_EQ(decoded->limits, settings.limits);
  EXPECT_EQ(decoded->level_max, 9);
  EXPECT_EQ(decoded->failures_max, 0u);
  EXPECT_EQ(decoded->message_ttl_ms, std::nullopt);
  for (const std::optional<bool> stay : {std::optional<bool>(), {true}, {false}}) {
    settings.dead_letters_stay = stay;
    bytes.clear();
    encode(settings, bytes);
    decoded = decode_queue_settings(bytes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->dead_letters_stay, stay);
  }
}

TEST(QueueSettings, OfTheFirstVersionAreRead) {
  // Version, flags, owner, source, ttl 1000, exchange, no key, arguments.
  std::string bytes("\x01\x05", 2);
  bytes += std::string(8, '\0') + std::string(
                                      "\0\xe9\x07\x01\x01"
                                      "x\0\0\0",
                                      9);
  auto decoded = decode_queue_settings(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->durable && decoded->auto_delete && !decoded->exclusive);
  EXPECT_EQ(decoded->message_ttl_ms, 1000);
  EXPECT_EQ(decoded->dead_letter_exchange, "x");
  EXPECT_FALSE(decoded->limits.any());
}

TEST(QueueLimits, DropTheOldest) {
  TestBroker broker;
  broker.round([&] {
    declare(*broker, "dead");
    QueueSettings settings = dying_to("dead");
    settings.limits.count_max = 2;
    declare(*broker, "q", settings);
    for (const char* body : {"a", "b", "c", "d"}) publish(*broker, "q", body);
  });
  broker.round([&] { EXPECT_EQ(broker->queues().find("q")->ready_count, 2u); });
  broker.restart();
  EXPECT_EQ(drain(broker, "q"), (Bodies{"c", "d"}));
  EXPECT_EQ(drain(broker, "dead"), (Bodies{"a", "b"}));
}

TEST(QueueLimits, CountBytes) {
  TestBroker broker;
  broker.round([&] {
    QueueSettings settings;
    settings.limits.bytes_max = 10;
    declare(*broker, "q", settings);
    for (const char* body : {"aaaa", "bbbb", "cccc", "dd"}) publish(*broker, "q", body);
  });
  broker.restart();
  broker.round([&] { publish(*broker, "q", "e"); });
  EXPECT_EQ(drain(broker, "q"), (Bodies{"cccc", "dd", "e"}));
}

TEST(QueueLimits, RefuseWhatIsPublished) {
  TestBroker broker;
  broker.round([&] {
    declare(*broker, "dead");
    QueueSettings settings = dying_to("dead");
    settings.limits = {2, std::nullopt, model::Overflow::refuse_to_dead_letters};
    declare(*broker, "q", settings);
    EXPECT_FALSE(publish(*broker, "q", "a").refused);
    EXPECT_FALSE(publish(*broker, "q", "b").refused);
    EXPECT_TRUE(publish(*broker, "q", "c").refused);
  });
  EXPECT_EQ(drain(broker, "q"), (Bodies{"a", "b"}));
  EXPECT_EQ(drain(broker, "dead"), Bodies{"c"});
  broker.round([&] { EXPECT_FALSE(publish(*broker, "q", "d").refused); });
}

TEST(QueuePriorities, HighestFirstAlsoAfterARestart) {
  TestBroker broker;
  Inbox inbox;
  broker.round([&] {
    QueueSettings settings;
    settings.level_max = 5;
    declare(*broker, "q", settings);
    for (const char* body : {"1", "5", "3", "9", "0", "3'"}) {
      publish(*broker, "q", body, std::string("-1;k!") + body[0]);
    }
  });
  broker.round([&] { inbox.id = *broker->queues().subscribe("q", inbox.spec(2)); });
  EXPECT_EQ(inbox.bodies(), (Bodies{"5", "9"}));
  broker.round([&] {
    const Sequence first[] = {inbox.deliveries[0].sequence};
    ASSERT_TRUE(broker->queues().settle("q", inbox.id, first, Settlement::complete).ok());
  });
  broker.restart();
  EXPECT_EQ(drain(broker, "q"), (Bodies{"9", "3", "3'", "1", "0"}));
}

TEST(Queues, OnlyItsHolderSettlesADelivery) {
  TestBroker broker;
  const ConsumerId old(1), present(2);
  const Sequence first[] = {Sequence(0)};
  for (ConsumerId holder : {old, present}) {
    broker.round([&] {
      if (holder == present) {
        ASSERT_TRUE(broker->queues().remove("q", {}).ok());
      }
      declare(*broker, "q");
      publish(*broker, "q", "m", "-1;k");
    });
    broker.round([&] { ASSERT_TRUE(broker->queues().take("q", holder, false).ok()); });
  }
  // A delivery of the queue that had the name before had the same number.
  broker.round([&] {
    for (Settlement how : {Settlement::complete, Settlement::fail, Settlement::discard}) {
      ASSERT_TRUE(broker->queues().settle("q", old, first, how).ok());
      EXPECT_EQ(broker->queues().find("q")->outstanding_count, 1u);
    }
    ASSERT_TRUE(broker->queues().settle("q", present, first, Settlement::complete).ok());
    EXPECT_EQ(broker->queues().find("q")->outstanding_count, 0u);
  });
}

TEST(StrictQueue, CountsFailuresAndLetsThePoisonDie) {
  TestBroker broker;
  broker.round([&] {
    declare(*broker, "dead");
    QueueSettings settings = dying_to("dead");
    settings.strict = true;
    settings.failures_max = 2;
    declare(*broker, "q", settings);
    model::NewRecord record = message("poison", "-1;k");
    record.level = Durability::memory;
    ASSERT_TRUE(broker->topics().append(*broker->topics().find("q"), record).ok());
  });
  for (std::uint32_t failures = 0; failures < 3; ++failures) {
    broker.restart();
    Inbox inbox;
    broker.round([&] { inbox.id = *broker->queues().subscribe("q", inbox.spec(1)); });
    ASSERT_EQ(inbox.deliveries.size(), 1u);
    EXPECT_EQ(inbox.deliveries[0].failure_count, failures);
    broker.round([&] {
      const Sequence first[] = {inbox.deliveries[0].sequence};
      ASSERT_TRUE(broker->queues().settle("q", inbox.id, first, Settlement::fail).ok());
    });
    if (failures == 1) broker.checkpoint();
  }
  EXPECT_EQ(drain(broker, "dead"), Bodies{"poison"});
  EXPECT_EQ(drain(broker, "q"), Bodies{});
}

TEST(DeadLetters, StayUntilAQueueTakesThem) {
  for (const bool stay : {true, false}) {
    TestBroker broker;
    broker.round([&] {
      QueueSettings settings = dying_to("dead");
      settings.strict = true;
      settings.limits.overflow = model::Overflow::refuse;
      settings.dead_letters_stay = stay;
      declare(*broker, "q", settings);
      publish(*broker, "q", "a");
    });
    Inbox inbox;
    broker.round([&] { inbox.id = *broker->queues().subscribe("q", inbox.spec(1)); });
    ASSERT_EQ(inbox.deliveries.size(), 1u);
    broker.round([&] {
      const Sequence first[] = {inbox.deliveries[0].sequence};
      ASSERT_TRUE(broker->queues().settle("q", inbox.id, first, Settlement::discard).ok());
    });
    // Nobody has it, and nobody gets it again.
    broker.round([&] {
      broker->queues().unsubscribe("q", inbox.id, false);
      EXPECT_EQ(broker->queues().find("q")->outstanding_count, stay ? 1u : 0u);
      declare(*broker, "dead");
    });
    broker.run_for(std::chrono::milliseconds(1200));
    EXPECT_EQ(drain(broker, "dead"), stay ? Bodies{"a"} : Bodies{});
    broker.round([&] { EXPECT_EQ(broker->queues().find("q")->outstanding_count, 0u); });
  }
}

TEST(DeadLetters, OfAQueueThatIsGoneAreNotThoseOfOneMadeAnew) {
  TestBroker broker;
  QueueSettings settings = dying_to("dead");
  settings.strict = true;
  settings.limits.overflow = model::Overflow::refuse;
  settings.dead_letters_stay = true;
  std::vector<Sequence> sequences;
  const auto take_one = [&](Inbox& inbox) {
    broker.round([&] {
      declare(*broker, "q", settings);
      publish(*broker, "q", "a");
      inbox.id = *broker->queues().subscribe("q", inbox.spec(1));
    });
    ASSERT_EQ(inbox.deliveries.size(), 1u);
    sequences.push_back(inbox.deliveries[0].sequence);
  };
  Inbox first;
  Inbox second;
  take_one(first);
  broker.round([&] {
    ASSERT_TRUE(broker->queues().settle("q", first.id, sequences, Settlement::discard).ok());
  });
  broker.round([&] { ASSERT_TRUE(broker->queues().remove("q", {}).ok()); });
  take_one(second);
  ASSERT_EQ(sequences[0], sequences[1]);
  broker.round([&] { declare(*broker, "dead"); });
  broker.run_for(std::chrono::milliseconds(1200));
  EXPECT_EQ(drain(broker, "dead"), Bodies{});
  broker.round([&] { EXPECT_EQ(broker->queues().find("q")->outstanding_count, 1u); });
}

TEST(SingleActiveConsumer, TheNextTakesOver) {
  TestBroker broker;
  Inbox first;
  Inbox second;
  ConsumerId id;
  broker.round([&] {
    QueueSettings settings;
    settings.single_active = true;
    declare(*broker, "q", settings);
    id = *broker->queues().subscribe("q", first.spec(1));
    ASSERT_TRUE(broker->queues().subscribe("q", second.spec(9)).ok());
    ConsumerSpec alone = second.spec(1);
    alone.exclusive = true;
    EXPECT_EQ(broker->queues().subscribe("q", alone).error().code, Errc::in_use);
    publish(*broker, "q", "a");
    publish(*broker, "q", "b");
  });
  EXPECT_EQ(first.bodies(), Bodies{"a"});
  EXPECT_TRUE(second.deliveries.empty());
  broker.round([&] { broker->queues().unsubscribe("q", id, false); });
  EXPECT_EQ(second.bodies(), (Bodies{"a", "b"}));
}

TEST(UnusedQueue, GoesAfterItsTime) {
  TestBroker broker;
  Inbox inbox;
  ConsumerId id;
  broker.round([&] {
    QueueSettings settings;
    settings.unused_ms_max = 60;
    declare(*broker, "q", settings);
    declare(*broker, "used", settings);
    id = *broker->queues().subscribe("used", inbox.spec(1));
  });
  broker.run_for(std::chrono::milliseconds(150));
  broker.round([&] {
    EXPECT_FALSE(broker->queues().find("q"));
    EXPECT_TRUE(broker->queues().find("used"));
    broker->queues().unsubscribe("used", id, false);
  });
  broker.restart();  // its time begins anew
  broker.round([&] { EXPECT_TRUE(broker->queues().find("used")); });
  broker.run_for(std::chrono::milliseconds(150));
  broker.round([&] { EXPECT_FALSE(broker->queues().find("used")); });
  broker.crash();
  broker.round([&] { EXPECT_FALSE(broker->queues().find("used")); });
}

TEST(Units, ArePublishedAndSettledTogether) {
  TestBroker broker;
  Inbox inbox;
  broker.round([&] {
    declare(*broker, "in");
    declare(*broker, "out");
    publish(*broker, "in", "work");
    inbox.id = *broker->queues().subscribe("in", inbox.spec(1));
  });
  ASSERT_EQ(inbox.deliveries.size(), 1u);
  bool done = false;
  broker.round([&] {
    Unit unit;
    Unit::Publication result;
    result.targets = {"out", "gone"};
    result.value = "result";
    result.envelope = "-1;k";
    unit.publications.push_back(result);
    result.targets = {};
    unit.publications.push_back(result);
    unit.settlings.push_back(
        {"in", inbox.id, {inbox.deliveries[0].sequence}, Settlement::complete});
    broker->publisher().commit(std::move(unit), [&](const UnitOutcome& outcome) {
      EXPECT_TRUE(outcome.status.ok());
      EXPECT_EQ(outcome.routed, (std::vector<std::uint32_t>{1, 0}));
      done = true;
    });
    EXPECT_FALSE(done);
  });
  EXPECT_TRUE(done);
  broker.crash();
  EXPECT_EQ(drain(broker, "in"), Bodies{});
  EXPECT_EQ(drain(broker, "out"), Bodies{"result"});
}

// Else it would die there again, and come back again: the log knows no queue that must not get it.
TEST(Queues, WhatHasLeftALogDoesNotComeBackByAnotherQueueOverIt) {
  TestBroker broker;
  QueueSettings over;
  over.source = "own";
  broker.round([&] {
    declare(*broker, "own");
    declare(*broker, "over", over);
    declare(*broker, "other");
  });
  const auto routed = [&](std::string left, std::string_view key) {
    const std::vector<std::string> left_queues{std::move(left)};
    Publication publication;
    publication.routing_key = key;
    publication.left_queues = left_queues;
    publication.record = message("dead");
    std::uint32_t count = 0;
    broker.round([&] {
      count = broker->publisher().publish(publication, [](const Published&) {})->published.routed;
    });
    return count;
  };
  EXPECT_EQ(routed("own", "own"), 0u);
  EXPECT_EQ(routed("own", "over"), 0u);
  EXPECT_EQ(routed("over", "own"), 0u);
  EXPECT_EQ(routed("own", "other"), 1u);
  EXPECT_EQ(routed("other", "over"), 1u);
}

}  // namespace
}  // namespace trv::broker
