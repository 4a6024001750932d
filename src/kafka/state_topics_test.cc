// Proves on one core that the topic of committed offsets is filled when it is asked for and kept
// up, over crashes, a full disk, records that it cannot take and its own end.
#include "kafka/state_topics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "broker/broker_test_support.h"
#include "broker/feeds.h"
#include "broker/groups.h"
#include "kafka/internal_topics.h"
#include "model/batch.h"

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;

class StateTopicsTest : public testing::Test {
 protected:
  StateTopicsTest() { open(); }

  void open() {
    topics_ = std::make_unique<StateTopics>(*broker_);
    broker_.round([this] { topics_->start(); });
  }
  void crash() {
    topics_.reset();
    broker_.crash();
  }

  void ask() {
    bool done = false;
    broker_.round([&] {
      StateTopics::provide(*broker_, std::string(offsets_topic), [&done] { done = true; });
    });
    EXPECT_TRUE(done);
  }

  void commit(const std::string& group, std::int64_t offset, std::size_t note_size = 0) {
    broker_.round([&] {
      model::OffsetCommit one;
      one.partition = {"t", PartitionIndex(0)};
      one.offset = Offset(offset);
      one.metadata = std::string(note_size, 'n');
      auto committed = broker_->groups().commit_offsets(group, {}, {one});
      ASSERT_TRUE(std::holds_alternative<broker::Commit>(committed));
      broker_->when_durable(std::get<broker::Commit>(committed),
                            [](Result<broker::Durable> result) { EXPECT_TRUE(result.ok()); });
    });
  }

  // The records of the topic, in the order of partitions: group and offset.
  using Told = std::vector<std::pair<std::string, std::int64_t>>;
  Told told() {
    Told all;
    broker_.round([&] {
      broker::Topic* topic = broker_->topics().find(offsets_topic);
      if (topic == nullptr) return;
      for (int index = 0; index < broker::Topics::settings(*topic).partition_count; ++index) {
        auto fetched = broker_->topics().fetch(*topic, PartitionIndex(index), Offset(0), {},
                                               broker::Isolation::uncommitted);
        ASSERT_TRUE(fetched.ok());
        for (const broker::FetchedBatch& batch : fetched->batches) read(batch, all);
      }
    });
    return all;
  }
  static void read(const broker::FetchedBatch& batch, Told& all) {
    auto records = model::batch_records(batch.bytes, batch.header);
    ASSERT_TRUE(records.ok());
    model::BatchRecordReader reader(records->view(), batch.header.record_count);
    model::BatchRecord record;
    while (reader.next(record)) {
      ByteReader key(*record.key);
      key.i16();
      std::string group(key.bytes(key.u16()));
      ByteReader value(record.value.value_or(ByteView("\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 10)));
      value.i16();
      all.emplace_back(std::move(group), value.i64());
    }
  }
  // Tries that come by themselves are a second apart.
  void wait_for(const Told& wanted) {
    for (int i = 0; i < 500 && told() != wanted; ++i) broker_.run_for(10ms);
    EXPECT_EQ(told(), wanted);
  }

  broker::TestBroker broker_;
  std::unique_ptr<StateTopics> topics_;
};

TEST_F(StateTopicsTest, IsMadeAndFilledWhenItIsAskedFor) {
  commit("g", 5);
  broker_.round([&] { EXPECT_EQ(broker_->topics().find(offsets_topic), nullptr); });
  ask();
  EXPECT_EQ(told(), (Told{{"g", 5}}));
  commit("g", 6);
  EXPECT_EQ(told(), (Told{{"g", 5}, {"g", 6}}));
  broker_.round([&] {
    auto removed = broker_->groups().remove("g");
    ASSERT_TRUE(removed.ok());
  });
  EXPECT_EQ(told(), (Told{{"g", 5}, {"g", 6}, {"g", -1}})) << "a tombstone";
  ask();
  EXPECT_EQ(told().size(), 3u) << "it was there";
}

TEST_F(StateTopicsTest, WhatWasNotToldBeforeACrashIsToldAfterIt) {
  ask();
  topics_.reset();
  commit("g", 5);
  EXPECT_EQ(told(), Told());
  crash();
  open();
  EXPECT_EQ(told(), (Told{{"g", 5}}));
  topics_.reset();
  broker_.restart();
  open();
  EXPECT_EQ(told(), (Told{{"g", 5}})) << "once";
}

TEST_F(StateTopicsTest, WhatHasNoRoomIsToldWhenThereIsSome) {
  ask();
  broker_.round([&] { ASSERT_TRUE(broker_->topics().create("filler", {}).ok()); });
  broker_.directory().set_capacity(0);
  broker_.round([&] {
    const std::string filler(20'000, 'x');
    broker::Topic& topic = *broker_->topics().find("filler");
    for (int i = 0; i < 500 && broker_->writable(); ++i) {
      (void)broker_->topics().append(topic, broker::message(filler)).ok();
    }
    EXPECT_FALSE(broker_->writable());
  });
  commit("g", 5);
  EXPECT_EQ(told(), Told());
  broker_.directory().set_capacity(1ull << 40);
  wait_for({{"g", 5}});
}

TEST_F(StateTopicsTest, WhatIsTooLargeForItIsLeftOut) {
  ask();
  broker_.round([&] {
    broker::Topic& topic = *broker_->topics().find(offsets_topic);
    model::TopicSettings settings = broker::Topics::settings(topic);
    settings.batch_size_max = 1000;
    ASSERT_TRUE(broker_->topics().change_settings(topic, settings).ok());
  });
  commit("g", 5, 2000);
  commit("g", 6);
  EXPECT_EQ(told(), (Told{{"g", 6}}));
}

TEST_F(StateTopicsTest, OneThatIsRemovedIsFilledAnew) {
  ask();
  commit("g", 5);
  commit("h", 1);
  broker_.round([&] { ASSERT_TRUE(broker_->topics().remove(offsets_topic).ok()); });
  commit("g", 6);
  broker_.round([&] { EXPECT_FALSE(broker_->groups().offset_feeds().is_followed()); });
  commit("g", 7);
  ask();
  Told all = told();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (Told{{"g", 7}, {"h", 1}}));
}

}  // namespace
}  // namespace trv::kafka
