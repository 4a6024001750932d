// Proves that nothing is shown, answered or let go of before it is safe: on a disk whose syncs fail
// and on a full one; and that a batch which comes twice is stored once, whatever came between.
#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/writer_view.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

class Safety : public ::testing::Test {
 protected:
  void SetUp() override {
    broker_.round([&] {
      ASSERT_TRUE(broker_->topics().create("t", {}).ok());
      ASSERT_TRUE(broker_->topics().append(topic(), message("first")).ok());
      broker_->when_durable({broker_->tail().round, Durability::fsync},
                            [](const Result<Durable>& done) { EXPECT_TRUE(done.ok()); });
    });
  }
  Topic& topic(std::string_view name = "t") {
    Topic* found = broker_->topics().find(name);
    TRV_ASSERT(found != nullptr);
    return *found;
  }
  std::uint64_t shown(std::string_view name = "t") {
    std::uint64_t count = 0;
    auto read = broker_->topics().read(topic(name), Sequence(0), [&](const model::StoredRecord&) {
      ++count;
      return true;
    });
    EXPECT_TRUE(read.ok());
    return count;
  }
  void fail_syncs() { broker_.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true}); }
  void fill_the_disk() {
    broker_.directory().set_capacity(0);
    const std::string filler(20'000, 'x');
    for (int i = 0; i < 500 && broker_->writable(); ++i) {
      broker_.round([&] { (void)broker_->topics().append(topic(), message(filler)).ok(); });
    }
    ASSERT_FALSE(broker_->writable());
  }
  // As after a repair: what was not synced is gone.
  void start_anew() {
    broker_.faults().disarm();
    broker_.directory().set_capacity(1ull << 40);
    broker_.crash();
  }

  TestBroker broker_;
};

TEST_F(Safety, WhatCouldNotBeSyncedIsNeitherAcknowledgedNorShown) {
  fail_syncs();
  std::optional<bool> durable;
  broker_.round([&] {
    auto appended = broker_->topics().append(topic(), message("lost"));
    ASSERT_TRUE(appended.ok());
    broker_->when_durable(appended->commit, [&](Result<Durable> done) { durable = done.ok(); });
  });
  EXPECT_EQ(durable, false);
  broker_.round([&] {
    EXPECT_EQ(shown(), 1u);
    EXPECT_EQ(broker_->topics().high_watermark(topic(), PartitionIndex(0)), Offset(1));
  });
  start_anew();
  broker_.round([&] { EXPECT_EQ(shown(), 1u); });
}

TEST_F(Safety, WhoAddsMayReadThatAndNobodyElse) {
  fail_syncs();
  broker_.round([&] {
    ASSERT_TRUE(broker_->queues().declare("q", {}, {}).ok());
    for (const char* name : {"t", "q"}) {
      ASSERT_TRUE(broker_->topics().append(topic(name), message("before")).ok());
      auto mine = broker_->topics().append(topic(name), message("mine"));
      ASSERT_TRUE(mine.ok());
      const std::uint64_t durable = name == std::string_view("t") ? 1 : 0;
      EXPECT_EQ(shown(name), durable);
      WriterView view(*broker_);
      view.open(topic(name));
      view.open(topic(name));
      EXPECT_EQ(shown(name), durable + 2);
      EXPECT_EQ(broker_->topics().last_visible_id(topic(name)), mine->first_id);
      EXPECT_TRUE(broker_->topics().read_one(topic(name), mine->first_sequence)->has_value());
      ASSERT_TRUE(broker_->topics().append(topic(name), message("later")).ok());
      EXPECT_EQ(shown(name), durable + 3);
      // Not for those who are given something to keep.
      EXPECT_EQ(broker_->topics().visible_end(topic(name)), Sequence(std::int64_t(durable)));
      EXPECT_EQ(broker_->topics().high_watermark(topic(name), PartitionIndex(0)),
                Offset(std::int64_t(durable)));
    }
    EXPECT_FALSE((*broker_->queues().take("q", ConsumerId{7}, false)).has_value());
    // With the view, all of that is over.
    EXPECT_EQ(shown(), 1u);
    EXPECT_FALSE(broker_->topics().read_one(topic(), Sequence(1))->has_value());
    Status read =
        broker_->topics().read_back(topic(), Sequence(100), [](const model::StoredRecord& record) {
          EXPECT_EQ(record.sequence, Sequence(0));
          return true;
        });
    EXPECT_TRUE(read.ok());
  });
  broker_.round([&] { EXPECT_EQ(shown(), 1u); });
  start_anew();
  broker_.round([&] { EXPECT_EQ(shown(), 1u); });
}

TEST_F(Safety, AViewOfATopicThatIsRemovedEndsWithIt) {
  broker_.round([&] {
    WriterView view(*broker_);
    ASSERT_TRUE(broker_->topics().append(topic(), message("mine")).ok());
    view.open(topic());
    ASSERT_TRUE(broker_->topics().remove("t").ok());
    ASSERT_TRUE(broker_->topics().create("t", {}).ok());
    EXPECT_FALSE(WriterView::is_open(topic()));
    EXPECT_EQ(shown(), 0u);
  });
}

TEST_F(Safety, ADeadLetterThatCannotBeStoredStaysInItsQueue) {
  constexpr ConsumerId holder{7};
  std::optional<Delivery> taken;
  broker_.round([&] {
    QueueSettings settings;
    settings.dead_letter_exchange = "";
    settings.dead_letter_key = "dead";
    ASSERT_TRUE(broker_->queues().declare("q", settings, {}).ok());
    ASSERT_TRUE(broker_->queues().declare("dead", {}, {}).ok());
    ASSERT_TRUE(broker_->topics().append(topic("q"), message("m")).ok());
  });
  broker_.round([&] { taken = *broker_->queues().take("q", holder, false); });
  ASSERT_TRUE(taken.has_value());
  fill_the_disk();
  broker_.round([&] {
    const Sequence sequences[] = {taken->sequence};
    EXPECT_TRUE(broker_->queues().settle("q", holder, sequences, Settlement::discard).ok());
  });
  broker_.round([&] {
    EXPECT_EQ(shown("dead"), 0u);
    EXPECT_EQ(broker_->queues().find("q")->outstanding_count, 1u);
  });
  start_anew();
  broker_.round([&] { EXPECT_EQ(broker_->queues().find("q")->ready_count, 1u); });
}

TEST_F(Safety, ABatchThatComesTwiceIsStoredOnceAlsoAfterEachKindOfRestart) {
  model::BatchBuilder builder;
  builder.add(1000, "k", "v", std::vector<model::Header>{});
  const std::string batch = builder.take(Offset(0), 0, {ProducerId(5), 0, 0});
  auto send = [&] {
    std::optional<Appended> appended;
    broker_.round([&] {
      auto done = broker_->topics().append_batch(topic(), PartitionIndex(0), batch);
      ASSERT_TRUE(done.ok()) << done.error().message;
      appended = *done;
    });
    return appended.value_or(Appended{});
  };
  EXPECT_FALSE(send().duplicate);
  const std::function<void()> restarts[] = {[] {}, [&] { broker_.restart(); },
                                            [&] { broker_.crash(); },
                                            [&] {
                                              broker_.checkpoint();
                                              broker_.crash();
                                            }};
  for (const auto& restart : restarts) {
    restart();
    Appended again = send();
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.base_offset, Offset(1));
    broker_.round([&] { EXPECT_EQ(shown(), 2u); });
  }
}

}  // namespace
}  // namespace trv::broker
