// Proves that who reads what is on the disk only waits beside the core and gets it all the same,
// once, in order, and with the disk's errors; that what comes next is read in advance; and that
// neither who waits nor what is read is without limit. The disk is one in memory that says what it
// would have to be waited for.
#include "broker/cold_reads.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/trial.h"
#include "storage/format.h"

namespace trv::broker {
namespace {

class ColdReadsTest : public ::testing::Test {
 protected:
  // One batch each.
  void fill(int batches, std::size_t size, std::int32_t partitions = 1) {
    broker_.round([&] {
      model::TopicSettings settings;
      settings.partition_count = partitions;
      ASSERT_TRUE(broker_->topics().create("t", settings).ok());
    });
    for (int i = 0; i < batches; ++i) {
      const std::string body = std::to_string(i) + std::string(size, 'x');
      broker_.round([&] { ASSERT_TRUE(broker_->topics().append(topic(), message(body)).ok()); });
    }
  }
  Topic& topic() {
    Topic* found = broker_->topics().find("t");
    TRV_ASSERT(found != nullptr);
    return *found;
  }
  Result<Fetched> fetch(std::int64_t from, std::size_t bytes = 1, std::int32_t partition = 0) {
    FetchLimits limits;
    limits.bytes_max = bytes;
    limits.waits = false;
    Result<Fetched> fetched = Error{Errc::closed, ""};
    broker_.round([&] {
      fetched = broker_->topics().fetch(topic(), PartitionIndex(partition), Offset(from), limits,
                                        Isolation::uncommitted);
    });
    return fetched;
  }
  void wait_for(const BlobRange& where, int& called) {
    broker_.round([&] { broker_->cold_reads().wait(where, [&called] { ++called; }); });
  }

  TestBroker broker_;
};

TEST_F(ColdReadsTest, AFetchEndsBeforeWhatTheDiskHasToGive) {
  fill(3, 100);
  broker_.restart_cold();
  auto fetched = fetch(0, 1u << 20);
  ASSERT_TRUE(fetched.ok());
  EXPECT_TRUE(fetched->batches.empty());
  ASSERT_TRUE(fetched->cold.has_value());
  EXPECT_EQ(fetched->high_watermark, Offset(3));
  int called = 0;
  wait_for(*fetched->cold, called);
  EXPECT_EQ(called, 0);
  broker_.run_read();
  EXPECT_EQ(called, 1);
  broker_.run_reads();
  EXPECT_EQ(called, 1);
  fetched = fetch(0, 1u << 20);
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(fetched->batches.size(), 3u) << "what comes behind was read in advance";
  EXPECT_FALSE(fetched->cold.has_value());
  EXPECT_EQ(broker_->cold_reads().test_busy(), 0u);
}

// Else a machine that is short of memory would have its readers wait for ever.
TEST_F(ColdReadsTest, WhatWasWaitedForIsGivenThoughItLeftMemoryAgain) {
  fill(3, 5000);
  broker_.restart_cold();
  int called = 0;
  wait_for(fetch(0).value().cold.value(), called);
  broker_.run_reads();
  ASSERT_EQ(called, 1);
  broker_.forget_what_was_read();
  auto fetched = fetch(0, 1u << 20);
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(fetched->batches.size(), 1u);
  EXPECT_TRUE(fetched->cold.has_value());
  broker_.forget_what_was_read();
  EXPECT_TRUE(fetch(0)->batches.empty()) << "once";
  broker_.run_reads();
}

TEST_F(ColdReadsTest, ErrorsOfTheDiskComeOut) {
  fill(2, 5000);
  broker_.restart_cold();
  int called = 0;
  wait_for(fetch(0).value().cold.value(), called);
  broker_.faults().arm({io::Operation::read, 0, Errc::io_error, 0, true});
  broker_.run_reads();
  ASSERT_EQ(called, 1);
  EXPECT_EQ(fetch(0).error().code, Errc::io_error);
  broker_.faults().disarm();
  broker_.faults().arm({io::Operation::try_read, 0, Errc::io_error, 0, true});
  EXPECT_EQ(fetch(0).error().code, Errc::io_error);
  broker_.faults().disarm();
  wait_for(fetch(0).value().cold.value(), called);
  broker_.run_reads();
  EXPECT_EQ(fetch(0)->batches.size(), 1u);
}

TEST_F(ColdReadsTest, DamageComesOut) {
  fill(1, 5000);
  broker_.restart_cold();
  auto cold = fetch(0).value().cold.value();
  int called = 0;
  wait_for(cold, called);
  broker_.run_reads();
  const std::string name = storage::segment_name(storage::SegmentId::of(cold.blob));
  std::string bytes = broker_.directory().contents(name);
  bytes[cold.position + cold.length / 2] ^= 1;
  broker_.directory().set_contents(name, bytes);
  EXPECT_EQ(fetch(0).error().code, Errc::corrupt);
}

TEST_F(ColdReadsTest, WhoReadsOnIsKeptAheadOf) {
  constexpr int count = 150;
  fill(count, 100'000);
  broker_.restart_cold();
  int waits = 0;
  for (std::int64_t at = 0; at < count;) {
    auto fetched = fetch(at);
    ASSERT_TRUE(fetched.ok());
    at += static_cast<std::int64_t>(fetched->batches.size());
    if (at < count && fetched->batches.empty()) {
      ASSERT_TRUE(fetched->cold.has_value());
      ++waits;
      int called = 0;
      wait_for(*fetched->cold, called);
      broker_.run_reads();
      ASSERT_EQ(called, 1);
    }
    broker_.run_reads();
  }
  EXPECT_EQ(waits, 1) << "15 MB, in windows of four";
  EXPECT_EQ(broker_->cold_reads().test_marks(), 0u) << "the last window has none";
}

TEST_F(ColdReadsTest, APlaceIsReadOnceForAllThatWait) {
  fill(5, 5000);
  broker_.restart_cold();
  int called = 0;
  for (int i = 0; i < 3; ++i) wait_for(fetch(0).value().cold.value(), called);
  EXPECT_EQ(broker_.read_count(), 2u) << "the place, and what comes behind";
  // It lies in what is being read in advance: no second window.
  wait_for(fetch(1).value().cold.value(), called);
  EXPECT_EQ(broker_.read_count(), 3u);
  broker_.run_reads();
  EXPECT_EQ(called, 4);
}

TEST_F(ColdReadsTest, WhatIsUnderWayIsBounded) {
  constexpr int partitions = 400;
  fill(2 * partitions, 5000, partitions);
  broker_.restart_cold();
  int called = 0;
  for (int p = 0; p < partitions; ++p) {
    auto fetched = fetch(0, 1, p);
    ASSERT_TRUE(fetched.ok());
    ASSERT_TRUE(fetched->cold.has_value()) << p;
    wait_for(*fetched->cold, called);
  }
  EXPECT_EQ(broker_.read_count(), ColdReads::under_way_max);
  EXPECT_LE(broker_->cold_reads().test_busy(),
            ColdReads::needed_max + ColdReads::ahead_max + ColdReads::under_way_max);
  EXPECT_EQ(called, 0);
  broker_.run_reads();
  EXPECT_EQ(called, partitions) << "who found no room is called, too";
  EXPECT_EQ(broker_->cold_reads().test_busy(), 0u);
}

TEST_F(ColdReadsTest, ABrokerEndsWithReadsUnderWay) {
  fill(5, 5000);
  broker_.restart_cold();
  int called = 0;
  wait_for(fetch(0).value().cold.value(), called);
  EXPECT_EQ(broker_.read_count(), 2u);
  broker_.restart();
  EXPECT_EQ(called, 0);
  EXPECT_EQ(fetch(0)->batches.size(), 1u);
}

TEST_F(ColdReadsTest, AQueueDeliversItsBacklogInOrder) {
  constexpr int count = 60;
  broker_.round([&] { ASSERT_TRUE(broker_->queues().declare("q", {}, {}).ok()); });
  for (int i = 0; i < count; ++i) {
    const std::string body = std::to_string(i) + std::string(100'000, 'x');
    broker_.round([&] {
      Publication publication;
      publication.routing_key = "q";
      publication.record = message(body);
      ASSERT_TRUE(broker_->publisher().publish(publication, [](Published) {}).ok());
    });
  }
  broker_.restart_cold();
  Inbox inbox;
  broker_.round([&] {
    auto consumer = broker_->queues().subscribe("q", inbox.spec(credit_unlimited));
    ASSERT_TRUE(consumer.ok());
    inbox.id = *consumer;
  });
  EXPECT_EQ(inbox.deliveries.size(), 1u) << "the head, whose deadline was looked at";
  EXPECT_EQ(broker_.read_count(), 2u);
  broker_.run_reads();
  ASSERT_EQ(inbox.deliveries.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(std::stoi(inbox.bodies()[static_cast<std::size_t>(i)]), i);
  }
}

TEST_F(ColdReadsTest, AQueueThatIsDeletedMeanwhileIsNotDeliveredFrom) {
  broker_.round([&] { ASSERT_TRUE(broker_->queues().declare("q", {}, {}).ok()); });
  const std::string body(5000, 'x');
  for (int i = 0; i < 3; ++i) {
    broker_.round([&] {
      Publication publication;
      publication.routing_key = "q";
      publication.record = message(body);
      ASSERT_TRUE(broker_->publisher().publish(publication, [](Published) {}).ok());
    });
  }
  broker_.restart_cold();
  Inbox inbox;
  broker_.round([&] { ASSERT_TRUE(broker_->queues().subscribe("q", inbox.spec(9)).ok()); });
  ASSERT_GT(broker_.read_count(), 0u);
  const std::size_t before = inbox.deliveries.size();
  broker_.round([&] { ASSERT_TRUE(broker_->queues().remove("q", {}).ok()); });
  broker_.run_reads();
  EXPECT_EQ(inbox.deliveries.size(), before);
}

// --- what is fetched -----------------------------------------------------------------------------

TEST_F(ColdReadsTest, FetchesTakeTurnsAndEndOnce) {
  fill(60, 100'000);
  broker_.restart_cold();
  std::vector<BlobRange> places;
  broker_.round([&] {
    Trial trial(*broker_, 0);
    EXPECT_FALSE(broker_->topics().read(topic(), Sequence(0), [](const auto&) { return true; }));
    ASSERT_TRUE(trial.met_cold());
    trial.note_range(topic(), {RecordId{0, 0}, RecordId::max()});
    places = trial.take();
  });
  std::vector<int> ended;
  std::shared_ptr<ColdReads::Fetch> large;
  std::shared_ptr<ColdReads::Fetch> small;
  std::shared_ptr<ColdReads::Fetch> unwanted;
  broker_.round([&] {
    ColdReads& cold = broker_->cold_reads();
    large = cold.fetch(places, [&] { ended.push_back(1); });
    small = cold.fetch({places[0]}, [&] { ended.push_back(2); });
    unwanted = cold.fetch(places, [&] { ended.push_back(3); });
  });
  EXPECT_LE(broker_.read_count(), ColdReads::under_way_max);
  unwanted.reset();
  broker_.run_reads();
  EXPECT_EQ(ended, (std::vector<int>{2, 1}));
  EXPECT_EQ(broker_->cold_reads().test_busy(), 0u);
  broker_.round([&] {
    Trial trial(*broker_, 0);
    int count = 0;
    auto read = broker_->topics().read(topic(), Sequence(0), [&](const auto&) { return ++count; });
    EXPECT_TRUE(read.ok());
    EXPECT_EQ(count, 60);
    EXPECT_FALSE(trial.met_cold());
  });
}

TEST_F(ColdReadsTest, ATrialThatIsStoppedWaits) {
  fill(3, 5000);
  broker_.restart_cold();
  broker_.round([&] {
    Trial trial(*broker_, 0);
    trial.stop();
    int count = 0;
    EXPECT_TRUE(
        broker_->topics().read(topic(), Sequence(0), [&](const auto&) { return ++count; }).ok());
    EXPECT_EQ(count, 3);
  });
  EXPECT_EQ(broker_.read_count(), 0u);
}

TEST_F(ColdReadsTest, EachTrialMayNoteMore) {
  fill(25, 1'000'000);
  broker_.restart_cold();
  auto noted = [&](int tries) {
    std::size_t size = 0;
    broker_.round([&] {
      Trial trial(*broker_, tries);
      trial.note_range(topic(), {RecordId{0, 0}, RecordId::max()});
      for (const BlobRange& place : trial.take()) size += place.length;
    });
    return size;
  };
  EXPECT_LT(noted(0), 18'000'000u);
  EXPECT_GT(noted(1), 25'000'000u);
  EXPECT_GT(noted(100), 25'000'000u);
  broker_.run_reads();
}

}  // namespace
}  // namespace trv::broker
