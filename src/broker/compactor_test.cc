// Proves that the compactor changes where records lie and nothing else, also when the process or
// the disk ends between any two of its steps; and that a topic that is cleaned by key ends with
// the newest record of each.
#include "broker/compactor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "broker/broker_test_support.h"
#include "broker/rows_test_support.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

constexpr std::uint64_t segment_size = 1u << 20;  // of TestBroker

// What a reader by offset gets, beginning at `from`.
std::map<std::int64_t, Row> fetched_from(TestBroker& broker, const std::string& name,
                                         std::int64_t from) {
  std::map<std::int64_t, Row> rows;
  broker.round([&] {
    Topic& topic = *broker->topics().find(name);
    auto fetched = broker->topics().fetch(topic, PartitionIndex(0), Offset(from), {16u << 20, true},
                                          Isolation::committed);
    ASSERT_TRUE(fetched.ok()) << fetched.error().message;
    for (const FetchedBatch& batch : fetched->batches) {
      EXPECT_TRUE(model::check_batch(batch.bytes.view()).ok());
      auto records = model::batch_records(batch.bytes, batch.header);
      ASSERT_TRUE(records.ok());
      model::BatchRecordReader reader(records->view(), batch.header.record_count);
      model::BatchRecord record;
      while (reader.next(record)) {
        Row row{std::string(record.key.value_or("null")), std::nullopt};
        if (record.value) row.value = std::string(*record.value);
        rows[batch.header.base_offset.value + record.offset_delta] = row;
      }
      EXPECT_TRUE(reader.ok());
    }
  });
  return rows;
}

std::string state_of(TestBroker& broker, const std::string& name) {
  std::string out;
  broker.round([&] { broker->topics().state(*broker->topics().find(name)).encode_state(out); });
  return out;
}

// --- moving --------------------------------------------------------------------------------------

// Topics of which one lives and the other is trimmed, together in many segments.
void fill(TestBroker& broker) {
  create(broker, "keep", {});
  create(broker, "drop", {});
  const std::string large(60'000, 'x');
  for (int i = 0; i < 60; ++i) {
    produce(broker, "drop", {{"d", large}});
    produce(broker, "keep",
            {{std::to_string(i), "small"}, {std::to_string(i), large.substr(0, 3000)}});
  }
  broker.round([&] {
    Topic& topic = *broker->topics().find("drop");
    ASSERT_TRUE(broker->topics().trim_to(topic, Sequence(60)).ok());
  });
}

TEST(Compactor, WhatLivesIsMovedAndTheRestIsFreed) {
  TestBroker broker;
  fill(broker);
  auto before = rows_of(broker, "keep");
  ASSERT_EQ(before.size(), 120u);
  broker.free_space();  // both kept checkpoints lie behind the segments after the second
  broker.free_space();
  EXPECT_GT(broker->compactor().counters().moved_batches, 40u);
  EXPECT_EQ(rows_of(broker, "keep"), before);
  EXPECT_GE(segment_count(broker), 4u);
  broker.free_space();
  EXPECT_LE(segment_count(broker), 2u);
  EXPECT_EQ(rows_of(broker, "keep"), before);
  std::string state = state_of(broker, "keep");
  sync(broker);
  broker.crash();
  EXPECT_TRUE(broker.report().damaged.empty());
  EXPECT_EQ(rows_of(broker, "keep"), before);
  EXPECT_EQ(state_of(broker, "keep"), state);
}

// The process dies, with what was not synced, after each of some numbers of writes.
TEST(Compactor, ACrashAtAnyStepLosesNothing) {
  for (std::uint64_t nth = 0; nth < 24; ++nth) {
    TestBroker broker;
    fill(broker);
    auto before = rows_of(broker, "keep");
    broker.free_space();
    io::Fault fault;
    fault.operation = nth % 2 == 0 ? io::Operation::write : io::Operation::sync;
    fault.nth = nth / 2;
    fault.written_before = nth * 37;
    fault.sticky = true;
    // The second turn's checkpoint is written; then its moving meets the fault.
    broker.free_space_until_moving();
    broker.faults().arm(fault);
    broker.run_for(std::chrono::milliseconds(3));
    broker.faults().disarm();
    broker.crash();
    EXPECT_TRUE(broker.report().damaged.empty()) << nth;
    EXPECT_EQ(rows_of(broker, "keep"), before) << nth;
    broker.free_space();
    broker.free_space();
    broker.free_space();
    EXPECT_EQ(rows_of(broker, "keep"), before) << nth;
    sync(broker);
    broker.crash();
    EXPECT_EQ(rows_of(broker, "keep"), before) << nth;
  }
}

TEST(Compactor, SettledRecordsBehindAStragglerDie) {
  TestBroker broker;
  broker.round([&] { ASSERT_TRUE(broker->queues().declare("q", {}, {}).ok()); });
  const std::string body(20'000, 'x');
  std::vector<Sequence> taken;
  for (int i = 0; i < 30; ++i) {
    // Batches of ten; of the first one nothing is settled, of the others all but one, or all.
    broker.round([&] {
      Topic& topic = *broker->topics().find("q");
      for (int k = 0; k < 10; ++k) {
        ASSERT_TRUE(broker->topics().append(topic, message(body)).ok());
      }
    });
    sync(broker);
    broker.round([&] {
      std::vector<Sequence> done;
      for (int k = 0; k < 10; ++k) {
        auto record = broker->queues().take("q", ConsumerId(1), false);
        ASSERT_TRUE(record.ok() && *record);
        bool straggler = i == 0 || (k == 3 && i % 2 == 0);
        if (!straggler) done.push_back((*record)->sequence);
      }
      if (!done.empty()) {
        ASSERT_TRUE(broker->queues().settle("q", ConsumerId(1), done, Settlement::complete).ok());
      }
    });
  }
  for (int turn = 0; turn < 4; ++turn) broker.free_space();
  EXPECT_GE(broker->compactor().counters().dropped_batches, 10u);
  // 24 stragglers of 20 kB are live.
  EXPECT_LT(broker.store().size_on_disk().value(), 10 * segment_size);
  sync(broker);
  broker.crash();
  EXPECT_TRUE(broker.report().damaged.empty());
  std::vector<std::int64_t> left;
  broker.round([&] {
    EXPECT_EQ(broker->queues().find("q")->ready_count, 24u);
    for (int i = 0; i < 24; ++i) {
      auto record = broker->queues().take("q", ConsumerId(1), false);
      ASSERT_TRUE(record.ok() && *record);
      EXPECT_EQ((*record)->record.value, body);
      EXPECT_TRUE((*record)->redelivered);  // checkpoints remember it
      left.push_back((*record)->sequence.value);
    }
  });
  EXPECT_EQ(left[9], 9);
  EXPECT_EQ(left[10], 23);
  EXPECT_EQ(left[23], 283);
}

// --- cleaning ------------------------------------------------------------------------------------

TEST(Compactor, KeepsTheNewestRecordOfEachKey) {
  TestBroker broker;
  broker.keep_pages_in_memory();
  create(broker, "t", {true});
  for (int i = 0; i < 20; ++i) {
    std::string n = std::to_string(i);
    produce(broker, "t", {{"a", n}, {"b" + n, n}, {"c", n}, {"c", n + "+"}});
  }
  broker.clean();
  EXPECT_EQ(broker->compactor().counters().cleaned_partitions, 1u);
  auto rows = rows_of(broker, "t");
  // Nineteen batches were cleaned; the newest was not.
  EXPECT_EQ(rows.size(), 19u + 2u + 4u);
  EXPECT_EQ(rows[1], (Row{"b0", "0"}));
  EXPECT_EQ(rows[72], (Row{"a", "18"}));
  EXPECT_EQ(rows[75], (Row{"c", "18+"}));
  EXPECT_EQ(rows[78], (Row{"c", "19"}));
  EXPECT_EQ(fetched_from(broker, "t", 0), rows);
  // Inside a hole, the next one is given.
  EXPECT_EQ(fetched_from(broker, "t", 2).begin()->first, 1);
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    EXPECT_TRUE(broker->topics().read_one(topic, Sequence(1)).value());
    EXPECT_FALSE(broker->topics().read_one(topic, Sequence(2)).value());
  });
  EXPECT_EQ(broker->topics().live_count(*broker->topics().find("t")), rows.size());
  broker.clean();  // nothing is due
  EXPECT_EQ(broker->compactor().counters().cleaned_partitions, 1u);
  std::string state = state_of(broker, "t");
  sync(broker);
  broker.crash();
  EXPECT_EQ(rows_of(broker, "t"), rows);
  EXPECT_EQ(state_of(broker, "t"), state);
  broker.checkpoint();
  sync(broker);
  broker.crash();
  EXPECT_EQ(rows_of(broker, "t"), rows);
  EXPECT_EQ(state_of(broker, "t"), state);
}

TEST(Compactor, TombstonesGoAfterTheirTime) {
  TestBroker broker;
  model::Cleaning cleaning{true};
  cleaning.tombstone_ms = 0;
  create(broker, "t", cleaning);
  produce(broker, "t", {{"a", "1"}, {"b", "1"}});
  produce(broker, "t", {{"a", std::nullopt}});
  produce(broker, "t", {{"z", "end"}});
  broker.clean();
  auto rows = rows_of(broker, "t");
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2], (Row{"a", std::nullopt}));
  broker.run_for(std::chrono::milliseconds(5));
  sync(broker);
  broker.crash();  // it is remembered when
  broker.clean();
  rows = rows_of(broker, "t");
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1], (Row{"b", "1"}));
  EXPECT_EQ(fetched_from(broker, "t", 2).begin()->first, 3);
}

TEST(Compactor, TombstonesStayBeforeTheirTime) {
  TestBroker broker;
  create(broker, "t", {true});
  produce(broker, "t", {{"a", "1"}});
  produce(broker, "t", {{"a", std::nullopt}});
  produce(broker, "t", {{"z", "end"}});
  broker.clean();
  broker.clean();
  EXPECT_EQ(rows_of(broker, "t").size(), 2u);
  EXPECT_EQ(broker->compactor().counters().cleaned_partitions, 1u);
}

TEST(Compactor, RecordsWithoutAKeyAreRefused) {
  TestBroker broker;
  create(broker, "t", {true});
  broker.round([&] {
    model::BatchBuilder builder;
    builder.add(broker->wall_now().ms, "k", "v", {}, 0);
    builder.add(broker->wall_now().ms, std::nullopt, "v", {}, 0);
    auto appended = broker->topics().append_batch(*broker->topics().find("t"), PartitionIndex(0),
                                                  builder.take(Offset(0), 0));
    ASSERT_FALSE(appended.ok());
    EXPECT_EQ(appended.error().code, Errc::invalid_argument);
  });
}

TEST(Compactor, RetentionDoesNotDeleteUnlessThePolicySaysSo) {
  for (bool off : {true, false}) {
    TestBroker broker;
    model::TopicSettings settings;
    settings.cleaning = {true, off};
    settings.retention_bytes = 0;
    broker.round([&] { ASSERT_TRUE(broker->topics().create("t", settings).ok()); });
    for (int i = 0; i < 3; ++i) produce(broker, "t", {{std::to_string(i), "v"}});
    broker.round([&] { broker->topics().tick(); });
    EXPECT_EQ(rows_of(broker, "t").size(), off ? 3u : 0u);
  }
}

TEST(Topics, ARetentionOfAlmostNothingButNumbersKeepsAll) {
  TestBroker broker;
  model::TopicSettings settings;
  settings.partition_count = 4;
  settings.retention_bytes = std::int64_t{1} << 62;  // four times that is 2^64
  broker.round([&] { ASSERT_TRUE(broker->topics().create("t", settings).ok()); });
  for (int i = 0; i < 3; ++i) produce(broker, "t", {{std::to_string(i), "v"}});
  broker.round([&] { broker->topics().tick(); });
  EXPECT_EQ(rows_of(broker, "t").size(), 3u);
}

TEST(Topics, OffsetsByTimeGoOnBehindABatchWhoseNewestRecordWasTrimmed) {
  TestBroker broker;
  broker.round([&] { ASSERT_TRUE(broker->topics().create("t", {}).ok()); });
  const auto add = [&](std::initializer_list<std::int64_t> times) {
    broker.round([&] {
      model::BatchBuilder builder;
      for (std::int64_t time : times) builder.add(time, "k", "v", {}, 0);
      ASSERT_TRUE(broker->topics()
                      .append_batch(*broker->topics().find("t"), PartitionIndex(0),
                                    builder.take(Offset(0), 0))
                      .ok());
    });
  };
  add({2000, 1000, 1000});
  add({1200, 3000});
  sync(broker);
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    ASSERT_TRUE(broker->topics().trim_partition(topic, PartitionIndex(0), Offset(1)).ok());
    auto found = broker->topics().offset_since(topic, PartitionIndex(0), 1500);
    ASSERT_TRUE(found.ok() && *found);
    EXPECT_EQ((*found)->offset, Offset(4));
  });
}

TEST(Compactor, AbortedRecordsGoAndOpenTransactionsAreLeftAlone) {
  TestBroker broker;
  create(broker, "t", {true, false, 0});
  constexpr auto transactional = model::batch_attributes::transactional;
  auto write = [&](std::int64_t producer, std::int32_t sequence, const std::string& value) {
    std::int64_t now = broker->wall_now().ms;
    broker.round([&] {
      Topic& topic = *broker->topics().find("t");
      broker->topics().expect_transaction(topic, PartitionIndex(0), ProducerId(producer), 0);
      auto appended = broker->topics().append_batch(
          topic, PartitionIndex(0),
          batch_of({{"k", value}}, now, transactional, {ProducerId(producer), 0, sequence}));
      ASSERT_TRUE(appended.ok()) << appended.error().message;
    });
  };
  auto end = [&](std::int64_t producer, bool commit) {
    broker.round([&] {
      ASSERT_TRUE(broker->topics()
                      .append_marker(*broker->topics().find("t"), PartitionIndex(0),
                                     ProducerId(producer), 0, commit, 0)
                      .ok());
    });
  };
  write(1, 0, "committed");                // 0
  end(1, true);                            // 1
  write(2, 0, "aborted");                  // 2
  end(2, false);                           // 3
  write(2, 1, "later");                    // 4
  end(2, true);                            // 5
  write(3, 0, "open");                     // 6
  produce(broker, "t", {{"k", "after"}});  // 7
  produce(broker, "t", {{"z", "end"}});    // 8
  broker.clean();
  auto fetched = fetched_from(broker, "t", 0);
  EXPECT_FALSE(fetched.contains(0));
  EXPECT_FALSE(fetched.contains(2));
  EXPECT_TRUE(fetched.contains(3));  // the abort's marker
  EXPECT_EQ(fetched[4].value, "later");
  EXPECT_FALSE(fetched.contains(6));
  end(3, true);  // 9
  produce(broker, "t", {{"z", "end"}});
  broker.clean();
  auto rows = rows_of(broker, "t");
  EXPECT_EQ(rows.begin()->first, 7);
  EXPECT_EQ(rows[7].value, "after");
  sync(broker);
  broker.crash();
  EXPECT_EQ(rows_of(broker, "t"), rows);
}

// A hundred keys, written again and again: what is on disk follows what is live.
TEST(Compactor, FewKeysAndManyUpdatesTakeLittleSpace) {
  TestBroker broker;
  create(broker, "t", {true});
  const std::string body(4000, 'x');
  std::vector<Row> expected(100);
  for (int i = 0; i < 3000; i += 10) {
    std::vector<Row> rows;
    for (int k = i; k < i + 10; ++k) {
      expected[k % 100] = {std::to_string(k % 100), body + std::to_string(k)};
      rows.push_back(expected[k % 100]);
    }
    produce(broker, "t", rows);
    if (i % 250 == 240) broker.clean();
    if (i % 500 == 490) broker.free_space();
  }
  broker.clean();
  for (int turn = 0; turn < 3; ++turn) broker.free_space();
  EXPECT_LT(broker.store().size_on_disk().value(), 10 * segment_size);
  sync(broker);
  broker.crash();
  EXPECT_TRUE(broker.report().damaged.empty());
  std::map<std::string, Row> newest;
  for (const auto& [sequence, row] : rows_of(broker, "t")) newest[row.key] = row;
  EXPECT_EQ(newest.size(), 100u);
  for (const Row& row : expected) EXPECT_EQ(newest[row.key], row);
}

}  // namespace
}  // namespace trv::broker
