// Proves the broker's services on one core over a disk in memory: what is appended is seen in order
// once durable, queues deliver and settle, and everything that was acknowledged is the same after a
// restart, a crash and a restart from a checkpoint.
#include <gtest/gtest.h>

#include <random>

#include "broker/broker_test_support.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

std::string fields_of(std::string_view name, std::string_view value) {
  std::string out;
  ByteWriter writer(out);
  writer.varint(1);
  writer.sized(name);
  writer.sized(value);
  return out;
}

std::vector<std::string> values(Broker& broker, std::string_view name) {
  std::vector<std::string> out;
  Topic* topic = broker.topics().find(name);
  if (!topic) return out;
  auto end = broker.topics().read(*topic, Sequence(0), [&out](const model::StoredRecord& record) {
    out.emplace_back(record.value.value_or("null"));
    return true;
  });
  EXPECT_TRUE(end.ok());
  return out;
}

std::string state_of(Broker& broker, std::string_view name) {
  std::string out;
  Topic* topic = broker.topics().find(name);
  if (topic) broker.topics().state(*topic).encode_state(out);
  return out;
}

Topic& create(Broker& broker, const std::string& name, std::int32_t partitions = 1) {
  model::TopicSettings settings;
  settings.partition_count = partitions;
  auto created = broker.topics().create(name, settings);
  EXPECT_TRUE(created.ok());
  return *created->topic;
}

TEST(Broker, RecordsAreShownOnceDurable) {
  TestBroker broker;
  bool durable = false;
  broker.round([&] {
    Topic& topic = create(*broker, "t");
    auto appended = broker->topics().append(topic, message("a"));
    ASSERT_TRUE(appended.ok());
    EXPECT_EQ(appended->base_offset, Offset(0));
    EXPECT_TRUE(values(*broker, "t").empty());
    broker->when_durable(appended->commit, [&](Result<Durable> result) { durable = result.ok(); });
  });
  EXPECT_TRUE(durable);
  broker.round([&] { EXPECT_EQ(values(*broker, "t"), std::vector<std::string>{"a"}); });
}

TEST(Broker, OneRoundsRecordsShareABatchAndKeepTheirIds) {
  TestBroker broker;
  broker.round([&] {
    Topic& topic = create(*broker, "t");
    for (std::uint64_t i = 1; i <= 3; ++i) {
      model::NewRecord record;
      record.origin = model::Origin::fields;
      std::string fields = fields_of("f", std::to_string(i));
      record.value = fields;
      record.id = RecordId{i * 10, i};
      EXPECT_TRUE(broker->topics().append(topic, record).ok());
      EXPECT_FALSE(broker->topics().append(topic, record).ok()) << "an id may not repeat";
    }
  });
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    EXPECT_EQ(broker->topics().state(topic).batch_count(), 1u);
    std::vector<RecordId> ids;
    auto end = broker->topics().read(topic, Sequence(0), [&](const model::StoredRecord& record) {
      ids.push_back(record.id);
      return true;
    });
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(ids, (std::vector<RecordId>{{10, 1}, {20, 2}, {30, 3}}));
    EXPECT_EQ(*broker->topics().sequence_of(topic, {10, 2}), Sequence(1));
    EXPECT_EQ(*broker->topics().sequence_of(topic, {30, 3}), Sequence(2));
    EXPECT_EQ(*broker->topics().sequence_of(topic, {30, 4}), Sequence(3));
    const RecordId gone[] = {{20, 2}};
    EXPECT_EQ(broker->topics().erase(topic, gone)->count, 1u);
    EXPECT_EQ(broker->topics().live_count(topic), 2u);
  });
}

TEST(Broker, BatchesAreStoredAsSent) {
  TestBroker broker;
  model::BatchBuilder builder;
  builder.add(1000, "k", "v1", std::vector<model::Header>{{"h", "x"}});
  builder.add(1001, std::nullopt, std::nullopt, std::vector<model::Header>{});
  std::string batch = builder.take(Offset(0), 0);
  broker.round([&] {
    Topic& topic = create(*broker, "t", 2);
    for (int i = 0; i < 2; ++i) {
      auto appended = broker->topics().append_batch(topic, PartitionIndex(1), batch);
      ASSERT_TRUE(appended.ok()) << appended.error().message;
      EXPECT_EQ(appended->base_offset, Offset(2 * i));
    }
    std::string damaged = batch;
    damaged.back() ^= 1;
    auto refused = broker->topics().append_batch(topic, PartitionIndex(1), damaged);
    EXPECT_EQ(refused.error().code, Errc::corrupt);
  });
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    auto fetched =
        broker->topics().fetch(topic, PartitionIndex(1), Offset(2), {}, Isolation::committed);
    ASSERT_TRUE(fetched.ok());
    ASSERT_EQ(fetched->batches.size(), 1u);
    EXPECT_EQ(fetched->batches[0].bytes.view().substr(12), ByteView(batch).substr(12));
    EXPECT_EQ(fetched->batches[0].header.base_offset, Offset(2));
    EXPECT_EQ(fetched->high_watermark, Offset(4));
    EXPECT_EQ(broker->topics()
                  .fetch(topic, PartitionIndex(0), Offset(1), {}, Isolation::committed)
                  .error()
                  .code,
              Errc::out_of_range);
  });
}

TEST(Broker, AReaderGetsABatchThatIsLargerThanItAskedFor) {
  TestBroker broker;
  broker.round(
      [&] { ASSERT_TRUE(broker->topics().append(create(*broker, "t"), message("a")).ok()); });
  broker.round([&] {
    auto count = [&](FetchLimits limits) {
      auto fetched = broker->topics().fetch(*broker->topics().find("t"), PartitionIndex(0),
                                            Offset(0), limits, Isolation::committed);
      EXPECT_TRUE(fetched.ok());
      return fetched->batches.size();
    };
    EXPECT_EQ(count({1, true}), 1u);
    EXPECT_EQ(count({1, false}), 0u);
  });
}

TEST(Queues, DeliverWithinCreditAndKeepPlaceOnRelease) {
  TestBroker broker;
  Inbox inbox;
  ConsumerId consumer;
  broker.round([&] {
    ASSERT_TRUE(broker->queues().declare("q", {}, {}).ok());
    for (std::string_view body : {"a", "b", "c"}) {
      Publication publication;
      publication.routing_key = "q";
      publication.record = message(body);
      auto outcome = broker->publisher().publish(publication, [](Published) {});
      ASSERT_TRUE(outcome.ok());
      EXPECT_EQ(outcome->published.routed, 1u);
    }
    consumer = *broker->queues().subscribe("q", inbox.spec(2));
  });
  EXPECT_EQ(inbox.bodies(), (std::vector<std::string>{"a", "b"}));
  broker.round([&] {
    const Sequence first[] = {Sequence(0)};
    ASSERT_TRUE(broker->queues().settle("q", consumer, first, Settlement::release).ok());
    broker->queues().grant("q", consumer, 2);
  });
  EXPECT_EQ(inbox.bodies(), (std::vector<std::string>{"a", "b", "a", "c"}));
  EXPECT_TRUE(inbox.deliveries[2].redelivered);
  EXPECT_FALSE(inbox.deliveries[3].redelivered);
}

TEST(Queues, SettledRecordsStaySettledAfterACrash) {
  TestBroker broker;
  Inbox before;
  bool settled = false;
  broker.round([&] {
    ASSERT_TRUE(broker->queues().declare("q", {}, {}).ok());
    Topic& topic = *broker->topics().find("q");
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(broker->topics().append(topic, message(std::to_string(i))).ok());
    }
    before.id = *broker->queues().subscribe("q", before.spec(credit_unlimited));
  });
  ASSERT_EQ(before.deliveries.size(), 5u);
  broker.round([&] {
    const Sequence done[] = {Sequence(0), Sequence(2), Sequence(3)};
    Commit commit = *broker->queues().settle("q", before.id, done, Settlement::complete);
    broker->when_durable(commit, [&](Result<Durable> result) { settled = result.ok(); });
  });
  ASSERT_TRUE(settled);
  broker.crash();
  Inbox after;
  broker.round(
      [&] { ASSERT_TRUE(broker->queues().subscribe("q", after.spec(credit_unlimited)).ok()); });
  EXPECT_EQ(after.bodies(), (std::vector<std::string>{"1", "4"}));
  EXPECT_TRUE(after.deliveries[0].redelivered);
}

TEST(Queues, ExpiredRecordsGoToTheDeadLetterExchange) {
  TestBroker broker;
  Inbox dead;
  broker.round([&] {
    QueueSettings settings;
    settings.dead_letter_exchange = "";
    settings.dead_letter_key = "dead";
    ASSERT_TRUE(broker->queues().declare("q", settings, {}).ok());
    ASSERT_TRUE(broker->queues().declare("dead", {}, {}).ok());
    Topic& topic = *broker->topics().find("q");
    ASSERT_TRUE(broker->topics().append(topic, message("short", "20;k")).ok());
    ASSERT_TRUE(broker->topics().append(topic, message("long", "600000;k")).ok());
    ASSERT_TRUE(broker->queues().subscribe("dead", dead.spec(credit_unlimited)).ok());
  });
  EXPECT_TRUE(dead.deliveries.empty());
  broker.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(dead.bodies(), std::vector<std::string>{"short"});
  broker.round([&] { EXPECT_EQ(broker->queues().find("q")->ready_count, 1u); });
}

TEST(Queues, RejectedRecordsGoToTheDeadLetterExchange) {
  TestBroker broker;
  Inbox inbox;
  broker.round([&] {
    QueueSettings settings;
    settings.dead_letter_exchange = "";
    settings.dead_letter_key = "dead";
    ASSERT_TRUE(broker->queues().declare("q", settings, {}).ok());
    ASSERT_TRUE(broker->queues().declare("dead", {}, {}).ok());
    ASSERT_TRUE(broker->topics().append(*broker->topics().find("q"), message("m")).ok());
    inbox.id = *broker->queues().subscribe("q", inbox.spec(1));
  });
  ASSERT_EQ(inbox.deliveries.size(), 1u);
  broker.round([&] {
    const Sequence first[] = {Sequence(0)};
    ASSERT_TRUE(broker->queues().settle("q", inbox.id, first, Settlement::discard).ok());
  });
  broker.round([&] {
    EXPECT_EQ(broker->queues().find("q")->outstanding_count, 0u);
    EXPECT_EQ(values(*broker, "dead"), std::vector<std::string>{"m"});
  });
}

// Random operations on a few topics and queues; the state after each kind of restart must be what
// it was when everything had become durable.
class BrokerReplay : public ::testing::TestWithParam<int> {};

TEST_P(BrokerReplay, StateIsTheSameAfterEveryKindOfRestart) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  TestBroker broker;
  const bool same_bytes = GetParam() % 2 == 0;
  if (same_bytes) broker.keep_pages_in_memory();
  const std::vector<std::string> names{"a", "b", "c"};
  broker.round([&] {
    create(*broker, "a");
    create(*broker, "b", 3);
    ASSERT_TRUE(broker->queues().declare("c", {}, {}).ok());
  });
  for (int step = 0; step < 60; ++step) {
    broker.round([&] {
      if (step == 20 || step == 40) {
        Topic& topic = *broker->topics().find(step == 20 ? "a" : "b");
        ASSERT_TRUE(broker->topics().add_partitions(topic, 4).ok());
      }
      for (int i = 0; i < 5; ++i) {
        const std::string& name = names[static_cast<std::size_t>(pick(3))];
        Topic& topic = *broker->topics().find(name);
        switch (pick(8)) {
          case 0:
            ASSERT_TRUE(broker->topics()
                            .trim_to(topic, broker->topics().state(topic).trim_point(
                                                static_cast<std::uint64_t>(pick(40)), pick(2) == 0))
                            .ok());
            break;
          case 1: {
            // A queue counts erased records as ready until it meets them.
            if (name == "c") break;
            std::vector<RecordId> ids;
            auto read = broker->topics().read(topic, Sequence(0), [&](const auto& record) {
              if (pick(4) == 0) ids.push_back(record.id);
              return ids.size() < 3;
            });
            ASSERT_TRUE(read.ok());
            ASSERT_TRUE(broker->topics().erase(topic, ids).ok());
            break;
          }
          case 2: {
            auto delivery = broker->queues().take("c", ConsumerId(99), pick(2) == 0);
            ASSERT_TRUE(delivery.ok());
            if (*delivery) {
              const Sequence one[] = {(*delivery)->sequence};
              auto how = pick(3) == 0 ? Settlement::release : Settlement::complete;
              ASSERT_TRUE(broker->queues().settle("c", ConsumerId(99), one, how).ok());
            }
            break;
          }
          case 3: {
            PartitionIndex partition(pick(broker->topics().state(topic).partition_count()));
            Offset start = broker->topics().state(topic).log_start(partition);
            Offset end = broker->topics().high_watermark(topic, partition);
            if (end <= start) break;
            Offset to = start + pick(static_cast<int>(std::min<std::int64_t>(end - start, 9)) + 1);
            ASSERT_TRUE(broker->topics().trim_partition(topic, partition, to).ok());
            EXPECT_EQ(broker->topics().state(topic).log_start(partition), to);
            break;
          }
          default: {
            std::string key = std::to_string(pick(10));
            model::NewRecord record = message("body" + std::to_string(step));
            std::string fields = fields_of("f", "v");
            if (pick(2) == 0) {
              record.origin = model::Origin::fields;
              record.value = fields;
            } else {
              key = "body" + key;
              record.value = key;
            }
            record.partition_key = key;
            ASSERT_TRUE(broker->topics().append(topic, record).ok());
          }
        }
      }
      broker->when_durable(broker->tail(), [](Result<Durable> done) { ASSERT_TRUE(done.ok()); });
    });
    if (step % 10 != 9) continue;
    std::vector<std::string> states, contents;
    std::uint64_t ready = 0;
    auto look = [&] {
      states.clear();
      contents.clear();
      for (const std::string& name : names) {
        states.push_back(state_of(*broker, name));
        for (std::string& value : values(*broker, name)) contents.push_back(std::move(value));
      }
      auto facts = broker->queues().find("c");
      ready = facts->ready_count + facts->outstanding_count;
    };
    broker.round(look);
    auto states_before = states;
    auto contents_before = contents;
    auto ready_before = ready;
    switch (pick(3)) {
      case 0:
        broker.restart();
        break;
      case 1:
        broker.crash();
        break;
      default:
        broker.checkpoint();
        broker.crash();
    }
    broker.round(look);
    if (same_bytes) {
      EXPECT_EQ(states, states_before);
    }
    EXPECT_EQ(contents, contents_before);
    EXPECT_EQ(ready, ready_before);
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, BrokerReplay, ::testing::Range(0, 40));

}  // namespace
}  // namespace trv::broker
