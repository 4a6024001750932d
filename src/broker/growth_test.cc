// Proves what a long run of publishing and settling costs: without stragglers, disk and replay stay
// where they are, and so they do with one record that is never settled. (More of the kind:
// compactor_test.cc.)
#include <gtest/gtest.h>

#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

constexpr int rounds = 200;
constexpr int checkpoint_every = 20;
constexpr std::size_t body_size = 50'000;
constexpr std::uint64_t segment_size = 1u << 20;  // of TestBroker

struct Cost {
  std::uint64_t disk = 0;
  std::uint64_t entries = 0;  // replayed
  std::uint64_t ready = 0;
};

// A sync may run on another thread.
void wait_visible(TestBroker& broker, int count) {
  auto visible = [&] {
    return broker->topics().visible_end(*broker->topics().find("q")).value >= count;
  };
  for (int tries = 0; tries < 1000 && !visible(); ++tries) {
    broker.run_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(visible());
}

Cost run_long(bool straggler) {
  TestBroker broker;
  const std::string body(body_size, 'x');
  const model::NewRecord record = message(body);
  ConsumerId holder(5);
  broker.round([&] { EXPECT_TRUE(broker->queues().declare("q", {}, {}).ok()); });
  for (int i = 0; i < rounds; ++i) {
    broker.round(
        [&] { EXPECT_TRUE(broker->topics().append(*broker->topics().find("q"), record).ok()); });
    wait_visible(broker, i + 1);
    broker.round([&] {
      auto taken = broker->queues().take("q", holder, false);
      const Sequence one[] = {(*taken)->sequence};
      if (straggler && i == 0) return;
      auto settled = broker->queues().settle("q", holder, one, Settlement::complete);
      ASSERT_TRUE(settled.ok());
      broker->when_durable(*settled, [](Result<Durable> done) { EXPECT_TRUE(done.ok()); });
    });
    if (i % checkpoint_every != 0) continue;
    broker.free_space();
  }
  Cost cost;
  cost.disk = broker.store().size_on_disk().value();
  broker.crash();
  EXPECT_TRUE(broker.report().damaged.empty());
  cost.entries = broker.report().entries;
  broker.round([&] { cost.ready = broker->queues().find("q")->ready_count; });
  return cost;
}

TEST(Growth, ALongRunOfSettledRecordsLeavesNothing) {
  Cost cost = run_long(false);
  EXPECT_EQ(cost.ready, 0u);
  // The free files, the active segment and the spare, and those between two checkpoints.
  EXPECT_LT(cost.disk, 10 * segment_size);
  EXPECT_LT(cost.entries, 4u * checkpoint_every);
}

TEST(Growth, AStragglerIsMovedForward) {
  Cost cost = run_long(true);
  EXPECT_EQ(cost.ready, 1u);
  EXPECT_LT(cost.entries, 4u * checkpoint_every);
  EXPECT_LT(cost.disk, 10 * segment_size);
}

}  // namespace
}  // namespace trv::broker
