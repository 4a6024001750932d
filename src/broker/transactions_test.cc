// Proves transactions on one core: what commits becomes visible with its markers, what aborts does
// not, what runs out of time is aborted, and whatever was decided before a crash is carried out
// after it.
#include "broker/transactions.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/entry.h"
#include "broker/groups.h"
#include "broker/share_cursors.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

using model::ProducerIdentity;
using model::TransactionError;

class TransactionsTest : public testing::Test {
 protected:
  TransactionsTest() {
    broker_.round([&] { EXPECT_TRUE(broker_->topics().create("t", {}).ok()); });
  }

  Transactions::Outcome call(const std::function<void(Transactions::Done)>& work) {
    std::optional<Transactions::Outcome> outcome;
    broker_.round([&] {
      work([&outcome](Transactions::Outcome done) {
        EXPECT_FALSE(outcome);
        outcome = std::move(done);
      });
    });
    EXPECT_TRUE(outcome);
    return outcome.value_or(Transactions::Outcome{});
  }
  ProducerIdentity init(std::chrono::milliseconds timeout = std::chrono::minutes(1)) {
    auto outcome = call([&](Transactions::Done done) {
      broker_->transactions().init("tid", timeout, std::nullopt, std::move(done));
    });
    EXPECT_EQ(outcome.error, TransactionError::none);
    return outcome.producer;
  }
  TransactionError add(ProducerIdentity producer) {
    return call([&](Transactions::Done done) {
             broker_->transactions().add_partitions("tid", producer, {{"t", PartitionIndex(0)}},
                                                    std::move(done));
           })
        .error;
  }
  TransactionError end(ProducerIdentity producer, bool commit) {
    return call([&](Transactions::Done done) {
             broker_->transactions().end("tid", producer, commit, std::move(done));
           })
        .error;
  }
  Transactions::Outcome end_raising(ProducerIdentity producer, bool commit) {
    return call([&](Transactions::Done done) {
      broker_->transactions().end_raising("tid", producer, commit, std::move(done));
    });
  }
  Result<Appended> write(ProducerIdentity producer, std::string_view value,
                         std::int32_t sequence = 0) {
    Result<Appended> appended = Error{Errc::closed, "not run"};
    broker_.round([&] {
      model::BatchBuilder builder;
      builder.add(broker_->wall_now().ms, std::nullopt, value, std::vector<model::Header>{});
      std::string batch = builder.take(Offset(0), model::batch_attributes::transactional,
                                       {producer.id, producer.epoch, sequence});
      appended =
          broker_->topics().append_batch(*broker_->topics().find("t"), PartitionIndex(0), batch);
    });
    return appended;
  }
  // What readers of committed records see.
  std::vector<std::string> visible() {
    std::vector<std::string> values;
    broker_.round([&] {
      auto read = broker_->topics().read(*broker_->topics().find("t"), Sequence(0),
                                         [&](const model::StoredRecord& record) {
                                           values.emplace_back(record.value.value_or("null"));
                                           return true;
                                         });
      EXPECT_TRUE(read.ok());
    });
    return values;
  }
  std::int64_t stable_offset() {
    std::int64_t offset = -1;
    broker_.round([&] {
      offset = broker_->topics()
                   .last_stable_offset(*broker_->topics().find("t"), PartitionIndex(0))
                   .value;
    });
    return offset;
  }

  TestBroker broker_;
};

using Values = std::vector<std::string>;

TEST_F(TransactionsTest, CommitShowsAndAbortHides) {
  ProducerIdentity producer = init();
  EXPECT_EQ(write(producer, "unannounced").error().code, Errc::invalid_state);
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  EXPECT_EQ(visible(), Values{});
  EXPECT_EQ(stable_offset(), 0);
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_EQ(visible(), Values{"a"});
  EXPECT_EQ(stable_offset(), 2);

  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "b", 1).ok());
  EXPECT_EQ(end(producer, false), TransactionError::none);
  EXPECT_EQ(visible(), Values{"a"});
  EXPECT_EQ(stable_offset(), 4);
  // The same end again is fine, another one is not.
  EXPECT_EQ(end(producer, false), TransactionError::none);
  EXPECT_EQ(end(producer, true), TransactionError::invalid_state);
}

TEST_F(TransactionsTest, AShareGroupMayWantOnlyWhatCommits) {
  using Ranges = std::vector<model::ShareCursor::Acquired>;
  auto share = [this](const std::string& group, Isolation isolation) {
    Ranges ranges;
    broker_.round([&] {
      ShareCursors::Wanted wanted;
      wanted.group = group;
      wanted.member = "m";
      wanted.records_max = wanted.bytes_max = wanted.range_max = 1 << 20;
      wanted.isolation = isolation;
      wanted.start.from = ShareStart::From::beginning;
      auto acquired =
          broker_->groups().share_cursors().acquire(*broker_->topics().find("t"), wanted);
      ASSERT_TRUE(acquired.ok());
      ranges = acquired->ranges;
    });
    return ranges;
  };
  auto one = [](std::int64_t offset) { return Ranges{{Offset(offset), Offset(offset), 1}}; };
  ProducerIdentity producer = init();
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  EXPECT_EQ(share("any", Isolation::uncommitted), one(0));
  EXPECT_EQ(share("sure", Isolation::committed), Ranges{}) << "it is open";
  bool woken = false;
  broker_.round([&] { broker_->topics().watch("t", [&] { woken = true; }); });
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_TRUE(woken);
  EXPECT_EQ(share("sure", Isolation::committed), one(0));

  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "b", 1).ok());
  EXPECT_EQ(end(producer, false), TransactionError::none);
  EXPECT_EQ(share("sure", Isolation::committed), Ranges{}) << "it was aborted";
  EXPECT_EQ(share("any", Isolation::uncommitted), one(2));
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "c", 2).ok());
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_EQ(share("sure", Isolation::committed), one(4)) << "the same producer's next";
}

TEST_F(TransactionsTest, AnEndOfTheSecondProtocolFencesWhatComesLate) {
  ProducerIdentity first = init();
  ASSERT_EQ(add(first), TransactionError::none);
  ASSERT_TRUE(write(first, "a").ok());
  Transactions::Outcome ended = end_raising(first, true);
  EXPECT_EQ(ended.error, TransactionError::none);
  EXPECT_EQ(ended.producer, (ProducerIdentity{first.id, 1}));
  EXPECT_EQ(visible(), Values{"a"});
  EXPECT_EQ(write(first, "late", 1).error().code, Errc::fenced);
  EXPECT_EQ(add(first), TransactionError::fenced);
  EXPECT_EQ(end_raising(first, true).producer, ended.producer) << "repeated";

  broker_.crash();
  EXPECT_EQ(end_raising(first, true).producer, ended.producer) << "repeated after a crash";
  ASSERT_EQ(add(ended.producer), TransactionError::none);
  ASSERT_TRUE(write(ended.producer, "b").ok());
  ended = end_raising(ended.producer, false);
  EXPECT_EQ(ended.producer, (ProducerIdentity{first.id, 2}));
  EXPECT_EQ(end_raising(ended.producer, false).producer, (ProducerIdentity{first.id, 3}))
      << "nothing to abort";
  EXPECT_EQ(visible(), Values{"a"});
}

TEST_F(TransactionsTest, ASpentProducerIsGivenANewId) {
  ProducerIdentity first = init();
  ProducerIdentity last{first.id, 32766};
  // As if it had ended that many transactions.
  for (std::int16_t epoch = 0; epoch < last.epoch; ++epoch) {
    ShardState& shard = broker_->shard("tid");
    WallTime now = broker_->wall_now();
    auto decision = shard.transactions.end_raising("tid", {first.id, epoch}, false);
    for (const std::string& command : decision.commands) {
      ASSERT_TRUE(shard.transactions.apply(command, now));
    }
    auto done = shard.transactions.complete("tid", shard.transactions.find("tid")->producer);
    ASSERT_TRUE(shard.transactions.apply(done.commands.at(0), now));
  }
  ASSERT_EQ(add(last), TransactionError::none);
  ASSERT_TRUE(write(last, "a").ok());
  Transactions::Outcome ended = end_raising(last, true);
  EXPECT_EQ(ended.error, TransactionError::none);
  EXPECT_NE(ended.producer.id, first.id);
  EXPECT_EQ(ended.producer.epoch, 0);
  EXPECT_EQ(visible(), Values{"a"});
  EXPECT_EQ(add(ended.producer), TransactionError::none);
  EXPECT_EQ(add(last), TransactionError::wrong_producer);
}

TEST_F(TransactionsTest, ANewProducerOfTheSameIdAbortsAndFencesTheOldOne) {
  ProducerIdentity old = init();
  ASSERT_EQ(add(old), TransactionError::none);
  ASSERT_TRUE(write(old, "lost").ok());
  auto first = call([&](Transactions::Done done) {
    broker_->transactions().init("tid", std::chrono::minutes(1), std::nullopt, std::move(done));
  });
  EXPECT_EQ(first.error, TransactionError::concurrent);
  ProducerIdentity fresh = init();
  EXPECT_EQ(fresh.id, old.id);
  EXPECT_GT(fresh.epoch, old.epoch);
  EXPECT_EQ(end(old, true), TransactionError::fenced);
  EXPECT_EQ(write(old, "late", 1).error().code, Errc::fenced);
  ASSERT_EQ(add(fresh), TransactionError::none);
  ASSERT_TRUE(write(fresh, "kept").ok());
  EXPECT_EQ(end(fresh, true), TransactionError::none);
  EXPECT_EQ(visible(), Values{"kept"});
}

TEST_F(TransactionsTest, WhatWasDecidedBeforeACrashIsCarriedOut) {
  ProducerIdentity producer = init();
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  // The decision alone gets to the disk.
  broker_.round([&] {
    ShardState& shard = broker_->shard("tid");
    auto decision = shard.transactions.end("tid", producer, true);
    ASSERT_TRUE(decision.ends);
    WallTime now = broker_->wall_now();
    for (const std::string& command : decision.commands) {
      char time[8];
      store_le(time, now.ms);
      const ByteView parts[] = {ByteView(time, sizeof time), command};
      ASSERT_TRUE(broker_->journal(Space::more, entry::transaction, shard.id, parts).ok());
    }
    broker_->when_durable(broker_->tail(),
                          [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  });
  broker_.crash();
  EXPECT_EQ(visible(), Values{"a"});
  EXPECT_EQ(stable_offset(), 2);
  ASSERT_EQ(add(producer), TransactionError::none);
}

TEST_F(TransactionsTest, AMarkerThatHasNoRoomIsWrittenWhenThereIsSome) {
  ProducerIdentity producer = init();
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  broker_.round([&] { ASSERT_TRUE(broker_->topics().create("filler", {}).ok()); });
  broker_.directory().set_capacity(0);
  std::optional<Transactions::Outcome> ended;
  broker_.round([&] {
    broker_->transactions().end("tid", producer, true,
                                [&ended](const Transactions::Outcome& done) { ended = done; });
    // Behind the decision, in its round, the disk fills up.
    const std::string filler(20'000, 'x');
    Topic& topic = *broker_->topics().find("filler");
    for (int i = 0; i < 500 && broker_->writable(); ++i) {
      (void)broker_->topics().append(topic, message(filler)).ok();
    }
    EXPECT_FALSE(broker_->writable());
  });
  for (int i = 0; i < 100 && !ended; ++i) broker_.run_for(std::chrono::milliseconds(10));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->error, TransactionError::none);
  EXPECT_EQ(visible(), Values{});
  broker_.directory().set_capacity(1ull << 40);
  for (int i = 0; i < 300 && visible().empty(); ++i) broker_.run_for(std::chrono::milliseconds(10));
  EXPECT_EQ(visible(), Values{"a"});
}

TEST_F(TransactionsTest, RetentionLeavesAnOpenTransactionAlone) {
  ProducerIdentity producer = init();
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  broker_.round([&] {
    Topic& topic = *broker_->topics().find("t");
    model::TopicSettings settings = Topics::settings(topic);
    settings.retention_bytes = 0;
    ASSERT_TRUE(broker_->topics().change_settings(topic, settings).ok());
    broker_->topics().tick();
    EXPECT_EQ(broker_->topics().state(topic).start(), Sequence(0));
  });
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_EQ(visible(), Values{"a"});
}

TEST_F(TransactionsTest, AnOngoingTransactionGoesOnAfterACrash) {
  ProducerIdentity producer = init();
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  broker_.crash();
  EXPECT_EQ(visible(), Values{});
  ASSERT_TRUE(write(producer, "b", 1).ok());
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_EQ(visible(), (Values{"a", "b"}));
}

TEST_F(TransactionsTest, WhatRunsOutOfTimeIsAborted) {
  ProducerIdentity producer = init(std::chrono::milliseconds(50));
  ASSERT_EQ(add(producer), TransactionError::none);
  ASSERT_TRUE(write(producer, "a").ok());
  broker_.run_for(std::chrono::milliseconds(400));
  EXPECT_EQ(stable_offset(), 2);
  EXPECT_EQ(visible(), Values{});
  EXPECT_EQ(end(producer, true), TransactionError::fenced);
}

TEST_F(TransactionsTest, OffsetsComeWithTheTransaction) {
  ProducerIdentity producer = init();
  auto commit = [&] {
    model::OffsetCommit offset;
    offset.partition = {"t", PartitionIndex(0)};
    offset.offset = Offset(7);
    return broker_->groups().commit_pending("g", {}, producer.id, producer.epoch, {offset});
  };
  auto look = [&] {
    Groups::FoundOffset one;
    broker_.round([&] {
      one = broker_->groups()
                .find_offsets("g", {{model::GroupPartition{"t", PartitionIndex(0)}}})
                .offsets.front();
    });
    return one;
  };
  broker_.round([&] { EXPECT_TRUE(std::holds_alternative<Groups::Refused>(commit())); });
  auto added = call([&](Transactions::Done done) {
    broker_->transactions().add_group("tid", producer, "g", std::move(done));
  });
  ASSERT_EQ(added.error, TransactionError::none);
  broker_.round([&] {
    auto committed = commit();
    ASSERT_TRUE(std::holds_alternative<Commit>(committed));
    // A crash takes what nobody waits for.
    broker_->when_durable(std::get<Commit>(committed),
                          [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  });
  EXPECT_TRUE(look().unstable);
  EXPECT_FALSE(look().committed);
  broker_.crash();
  EXPECT_TRUE(look().unstable);
  EXPECT_EQ(end(producer, true), TransactionError::none);
  EXPECT_FALSE(look().unstable);
  ASSERT_TRUE(look().committed);
  EXPECT_EQ(look().committed->offset, Offset(7));
}

TEST_F(TransactionsTest, ProducerIdsNeverRepeat) {
  std::set<std::int64_t> seen;
  for (int life = 0; life < 4; ++life) {
    for (int i = 0; i < 50; ++i) {
      auto outcome = call([&](Transactions::Done done) {
        broker_->transactions().init_idempotent(std::move(done));
      });
      EXPECT_TRUE(seen.insert(outcome.producer.id.value).second);
      EXPECT_EQ(outcome.producer.epoch, 0);
    }
    if (life % 2 == 0) {
      broker_.crash();
    } else {
      broker_.checkpoint();
      broker_.restart();
    }
  }
}

}  // namespace
}  // namespace trv::broker
