// Proves that what an exchange keeps back comes in time, once, after a crash too, and that a
// checkpoint loses nothing of it.
#include "broker/delays.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/rows_test_support.h"

namespace trv::broker {
namespace {

using Bodies = std::vector<std::string>;
using std::chrono::milliseconds;

class Late final : public model::HeaderLookup {
 public:
  explicit Late(std::int64_t delay_ms) : delay_ms_(delay_ms) {}
  bool find(std::string_view, model::HeaderValue&) const override { return false; }
  std::int64_t delay_ms() const override { return delay_ms_; }

 private:
  std::int64_t delay_ms_;
};

void set_up(TestBroker& broker) {
  model::Exchange exchange;
  exchange.name = "late";
  exchange.kind = model::ExchangeKind::fanout;
  exchange.delayed = true;
  model::Binding binding;
  binding.source = "late";
  binding.target = "q";
  int seen = 0;
  broker.round([&] {
    ASSERT_TRUE(broker->queues().declare("q", {}, {}).ok());
    const auto visible = [&seen](Result<Durable> done) { seen += done.ok() ? 1 : 0; };
    broker->catalog().execute(model::encode(model::DeclareExchange{exchange}), visible);
    broker->catalog().execute(model::encode(model::Bind{binding}), visible);
  });
  for (int i = 0; i < 1000 && seen < 2; ++i) broker.run_for(milliseconds(1));
  ASSERT_EQ(seen, 2);
}

Published publish(TestBroker& broker, std::string_view body, std::int64_t delay_ms) {
  Published published;
  bool safe = false;
  broker.round([&] {
    const Late headers(delay_ms);
    Publication publication;
    publication.exchange = "late";
    publication.routing_key = "k";
    publication.headers = &headers;
    publication.record = message(body);
    auto outcome = broker->publisher().publish(publication, [](const Published&) {});
    ASSERT_TRUE(outcome.ok());
    ASSERT_FALSE(outcome->pending);
    published = outcome->published;
    broker->when_durable(outcome->commit, [&safe](const Result<Durable>& d) { safe = d.ok(); });
  });
  for (int i = 0; i < 1000 && !safe; ++i) broker.run_for(milliseconds(1));
  EXPECT_TRUE(safe);  // a slow sync is another thread's
  return published;
}

Bodies drain(TestBroker& broker) {
  Bodies bodies;
  broker.round([&] {
    ConsumerId holder = broker->queues().new_holder();
    for (;;) {
      auto taken = broker->queues().take("q", holder, true);
      ASSERT_TRUE(taken.ok());
      if (!*taken) return;
      bodies.emplace_back(*(*taken)->record.value);
    }
  });
  return bodies;
}

// Until so many have come; bounded.
Bodies wait_for(TestBroker& broker, std::size_t count) {
  Bodies bodies;
  for (int i = 0; i < 1000 && bodies.size() < count; ++i) {
    broker.run_for(milliseconds(5));
    for (std::string& body : drain(broker)) bodies.push_back(std::move(body));
  }
  return bodies;
}

constexpr std::int64_t long_ms = 3'600'000;

TEST(Delays, ComeInTimeAndOrder) {
  TestBroker broker;
  set_up(broker);
  EXPECT_EQ(publish(broker, "second", 60).routed, 1u);
  EXPECT_EQ(publish(broker, "first", 30).routed, 1u);
  publish(broker, "never here", long_ms);
  publish(broker, "now", 0);
  EXPECT_EQ(drain(broker), Bodies{"now"});
  EXPECT_EQ(wait_for(broker, 2), (Bodies{"first", "second"}));
  broker.restart();
  broker.run_for(milliseconds(5));
  EXPECT_EQ(drain(broker), Bodies{});  // what was published is not again
}

class DelaysEnd : public ::testing::TestWithParam<bool> {};

TEST_P(DelaysEnd, OutlivesACheckpoint) {
  TestBroker broker;
  set_up(broker);
  const std::string large(300'000, 'x');
  publish(broker, "a", 150);
  publish(broker, large, 160);
  broker.checkpoint();
  publish(broker, "b", 170);
  Broker::SegmentBytes live;
  broker->count_segments(live);
  EXPECT_FALSE(live.empty());
  GetParam() ? broker.crash() : broker.restart();
  EXPECT_EQ(wait_for(broker, 3), (Bodies{"a", large, "b"}));
  broker.checkpoint();
  broker.restart();
  broker.run_for(milliseconds(5));
  EXPECT_EQ(drain(broker), Bodies{});
}

INSTANTIATE_TEST_SUITE_P(Crash, DelaysEnd, ::testing::Bool());

// The bodies that wait, as they lie in the journal: an entry ends with its body.
void expect_kept(TestBroker& broker, const Bodies& bodies) {
  std::size_t seen = 0;
  broker->shard(ShardId(0)).delays.each([&](const BlobRange& where) {
    auto blob = broker->read_blob(where);
    ASSERT_TRUE(blob.ok()) << blob.error().message;
    ASSERT_LT(seen, bodies.size());
    EXPECT_TRUE(blob->bytes.view().ends_with(bodies[seen++]));
  });
  EXPECT_EQ(seen, bodies.size());
}

TEST(Delays, LeaveSegmentsThatAreMostlyDead) {
  TestBroker broker;
  set_up(broker);
  create(broker, "drop", {});
  const std::string large(60'000, 'x');
  Bodies kept;
  for (int i = 0; i < 80; ++i) {
    produce(broker, "drop", {{"d", large}});
    if (i % 10 != 0) continue;
    kept.push_back("body " + std::to_string(i));
    publish(broker, kept.back(), long_ms + i);
  }
  ASSERT_GE(segment_count(broker), 5u);
  broker.round([&] {
    Topic& topic = *broker->topics().find("drop");
    ASSERT_TRUE(broker->topics().trim_to(topic, Sequence(80)).ok());
  });
  for (int turn = 0; turn < 3; ++turn) broker.free_space();
  EXPECT_GE(broker->compactor().counters().moved_delays, kept.size() / 2);
  EXPECT_LE(segment_count(broker), 2u);
  expect_kept(broker, kept);
  broker.crash();
  EXPECT_TRUE(broker.report().damaged.empty());
  expect_kept(broker, kept);
  broker.checkpoint();
  broker.restart();
  expect_kept(broker, kept);
}

TEST(Delays, AreDroppedWithTheirExchange) {
  TestBroker broker;
  set_up(broker);
  publish(broker, "a", 20);
  broker.round([&] {
    broker->catalog().execute(model::encode(model::DeleteExchange{"late"}),
                              [](const Result<Durable>&) {});
  });
  broker.run_for(milliseconds(40));
  EXPECT_EQ(drain(broker), Bodies{});
  EXPECT_EQ(broker->shard(ShardId(0)).delays.count(), 0u);
}

TEST(Delays, AreKeptWhenTheyCanNeverBeStoredWhereTheyGo) {
  TestBroker broker;
  set_up(broker);
  publish(broker, "a", 20);
  broker.round([&] {
    Topic& topic = *broker->topics().find("q");
    const RecordId last{std::numeric_limits<std::uint64_t>::max(),
                        std::numeric_limits<std::uint64_t>::max()};
    ASSERT_TRUE(broker->topics().set_id(topic, last, {}, {}).ok());
  });
  for (int life = 0; life < 2; ++life) {
    broker.run_for(milliseconds(60));
    EXPECT_EQ(drain(broker), Bodies{});
    EXPECT_EQ(broker->shard(ShardId(0)).delays.count(), 1u);
    EXPECT_FALSE(broker->shard(ShardId(0)).delays.first());  // not tried again in this life
    broker.restart();
  }
}

TEST(Delays, OfAUnitAreWholeWithIt) {
  TestBroker broker;
  set_up(broker);
  bool done = false;
  broker.round([&] {
    const Late headers(50);
    Publication publication;
    publication.exchange = "late";
    publication.headers = &headers;
    publication.record = message("late");
    Unit unit;
    unit.publications.push_back(broker->publisher().plan(publication));
    const Late none(0);
    publication.headers = &none;
    publication.record = message("now");
    unit.publications.push_back(broker->publisher().plan(publication));
    broker->publisher().commit(std::move(unit), [&](const UnitOutcome& outcome) {
      EXPECT_TRUE(outcome.status.ok());
      EXPECT_EQ(outcome.routed, (std::vector<std::uint32_t>{1, 1}));
      done = true;
    });
  });
  for (int i = 0; i < 1000 && !done; ++i) broker.run_for(milliseconds(1));
  EXPECT_TRUE(done);
  broker.crash();
  EXPECT_EQ(wait_for(broker, 2), (Bodies{"now", "late"}));
}

}  // namespace
}  // namespace trv::broker
