// Proves that a backlog whose index has left memory is what it was: read, settled, moved, deleted,
// and after whatever happens to the process, the disk, or a page.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "broker/broker_test_support.h"
#include "broker/detail/shard_pages.h"
#include "broker/rows_test_support.h"
#include "storage/page_file.h"

namespace trv::broker {
namespace {

using Rows = std::map<std::int64_t, Row>;

std::vector<std::string> files_with(TestBroker& broker, std::string_view prefix) {
  std::vector<std::string> names = broker.directory().list().value();
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix); });
  return names;
}

// Each row is a batch of its own.
Rows produce_each(TestBroker& broker, const std::string& name, int first, int count,
                  std::size_t value_size = 20) {
  Rows rows;
  for (int i = first; i < first + count; ++i) {
    Row row{"k" + std::to_string(i), std::string(value_size, static_cast<char>('a' + i % 26))};
    produce(broker, name, {row});
    rows[i] = row;
  }
  return rows;
}

void expect_rows(TestBroker& broker, const std::string& name, const Rows& rows) {
  EXPECT_TRUE(rows_of(broker, name) == rows);
  // From anywhere, not only from the beginning.
  broker.round([&] {
    Topic& topic = *broker->topics().find(name);
    for (const auto& [sequence, row] : rows) {
      if (sequence % 97 != 0) continue;
      const model::FoundBatch found = broker->topics().state(topic).batch_at(Sequence(sequence));
      ASSERT_TRUE(found);
      EXPECT_EQ(found->first_sequence, Sequence(sequence));
    }
  });
}

// A topic in pages of several files.
Rows make_backlog(TestBroker& broker, const std::string& name) {
  create(broker, name, {});
  Rows rows;
  for (int first = 0; first < 1200; first += 300) {
    rows.merge(produce_each(broker, name, first, 300));
    broker.checkpoint();
  }
  EXPECT_FALSE(files_with(broker, "pages-").empty());
  return rows;
}

TEST(IndexPages, ABacklogIsTheSameFromItsPages) {
  TestBroker broker;
  Rows rows = make_backlog(broker, "t");
  expect_rows(broker, "t", rows);
  broker.restart();
  expect_rows(broker, "t", rows);
  rows.merge(produce_each(broker, "t", 1200, 10));
  broker.crash();
  expect_rows(broker, "t", rows);
  // Checkpoints of the new life take over what earlier ones have written.
  for (int i = 0; i < 6; ++i) {
    rows.merge(produce_each(broker, "t", 1210 + i * 100, 100));
    broker.checkpoint();
    expect_rows(broker, "t", rows);
  }
  EXPECT_LE(files_with(broker, "pages-").size(), 6u);
  broker.crash();
  expect_rows(broker, "t", rows);
}

TEST(IndexPages, ACheckpointSaysLittleOfWhatItsPagesSay) {
  TestBroker broker;
  make_backlog(broker, "t");
  broker.checkpoint();
  std::uint64_t with_pages = 0;
  for (const std::string& name : files_with(broker, "checkpoint-")) {
    with_pages = broker.directory().contents(name).size();
  }
  // 256 rows of the table, and what little the 256 shards hold.
  EXPECT_LT(with_pages, 256u * 40 + 1200u * 14);
}

TEST(IndexPages, TrimmedAndErasedRecordsAreGone) {
  TestBroker broker;
  Rows rows = make_backlog(broker, "t");
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    ASSERT_TRUE(broker->topics().trim_to(topic, Sequence(411)).ok());
    std::vector<RecordId> ids;
    for (int i = 500; i < 700; i += 2) {
      ids.push_back(broker->topics().state(topic).batch_at(Sequence(i))->first_id);
    }
    ASSERT_TRUE(broker->topics().erase(topic, ids).ok());
  });
  rows.erase(rows.begin(), rows.lower_bound(411));
  for (int i = 500; i < 700; i += 2) rows.erase(i);
  expect_rows(broker, "t", rows);
  broker.checkpoint();
  expect_rows(broker, "t", rows);
  broker.crash();
  expect_rows(broker, "t", rows);
}

// What segments hold is told by pages without reading them; what is emptied is found through them.
TEST(IndexPages, SegmentsAreEmptiedThroughPages) {
  TestBroker broker;
  create(broker, "kept", {});
  create(broker, "gone", {});
  Rows kept;
  for (int i = 0; i < 400; ++i) {
    kept.merge(produce_each(broker, "kept", i, 1, 1000));
    produce_each(broker, "gone", i, 1, 8000);
    if (i % 100 == 99) broker.checkpoint();
  }
  broker.round([&] {
    Topic& gone = *broker->topics().find("gone");
    ASSERT_TRUE(broker->topics().trim_to(gone, Sequence(399)).ok());
  });
  const std::size_t before = files_with(broker, "segment-").size();
  for (int i = 0; i < 6; ++i) {
    broker.free_space();
    sync(broker);
    expect_rows(broker, "kept", kept);
  }
  broker.checkpoint();
  broker.checkpoint();
  EXPECT_GT(broker->compactor().counters().moved_batches, 100u);
  EXPECT_LE(files_with(broker, "segment-").size(), before - 2);
  broker.crash();
  expect_rows(broker, "kept", kept);
}

TEST(IndexPages, MessagesOfAQueueAreDeliveredThroughPages) {
  TestBroker broker;
  constexpr int count = 900;
  broker.round([&] { ASSERT_TRUE(broker->queues().declare("q", {}, {}).ok()); });
  std::vector<std::string> bodies;
  for (int i = 0; i < count; ++i) {
    bodies.push_back("m" + std::to_string(i));
    broker.round([&] {
      Publication publication;
      publication.routing_key = "q";
      publication.record = message(bodies.back());
      ASSERT_TRUE(broker->publisher().publish(publication, [](const Published&) {}).ok());
    });
    if (i % 200 == 199) broker.checkpoint();
  }
  EXPECT_FALSE(files_with(broker, "pages-").empty());
  broker.crash();
  std::vector<std::string> taken;
  broker.round([&] {
    const ConsumerId holder = broker->queues().new_holder();
    for (int i = 0; i < count; ++i) {
      auto delivery = broker->queues().take("q", holder, true);
      ASSERT_TRUE(delivery.ok() && *delivery);
      taken.emplace_back(*(*delivery)->record.value);
    }
  });
  EXPECT_EQ(taken, bodies);
}

// A page that cannot be read takes away what it stands for, and nothing else; and that is told.
TEST(IndexPages, ADamagedPageIsToldOfAndTheRestIsServed) {
  TestBroker broker;
  const Rows rows = make_backlog(broker, "t");
  broker.restart();
  const std::vector<std::string> names = files_with(broker, "pages-");
  std::string bytes = broker.directory().contents(names.front());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // the checksum of its last page
  broker.directory().set_contents(names.front(), bytes);
  int readable = 0;
  int damaged = 0;
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    for (const auto& [sequence, row] : rows) {
      auto record = broker->topics().read_one(topic, Sequence(sequence));
      if (!record.ok()) {
        EXPECT_EQ(record.error().code, Errc::corrupt);
        ++damaged;
        continue;
      }
      ASSERT_TRUE(*record);
      EXPECT_EQ((*record)->value, row.value);
      ++readable;
    }
  });
  EXPECT_EQ(readable + damaged, 1200);
  EXPECT_GT(damaged, 0);
  EXPECT_LE(damaged, 1024);
  // It goes on.
  produce_each(broker, "t", 1200, 50);
  broker.checkpoint();
  broker.crash();
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    EXPECT_EQ(broker->topics().state(topic).end(), Sequence(1250));
  });
}

void expect_rows_after_faults(Errc code) {
  TestBroker broker;
  create(broker, "t", {});
  Rows rows = produce_each(broker, "t", 0, 400);
  for (std::uint64_t nth = 0;; ++nth) {
    Status written = broker.try_checkpoint([&] {
      broker.faults().arm({.operation = {}, .nth = nth, .code = code, .written_before = 3});
    });
    const bool struck = broker.faults().struck();
    broker.faults().disarm();
    expect_rows(broker, "t", rows);
    if (written.ok() && !struck) break;
    ASSERT_LT(nth, 100u);
  }
  broker.crash();
  expect_rows(broker, "t", rows);
}

TEST(IndexPages, WhatACheckpointCouldNotWriteStaysInMemory) {
  expect_rows_after_faults(Errc::io_error);
  // Mostly served out of the ballast.
  expect_rows_after_faults(Errc::no_space);
}

// What many logs would write anew at the same time is spread over checkpoints.
TEST(IndexPages, ACheckpointJoinsInProportionToWhatIsYoung) {
  constexpr std::uint64_t in_any_case = 32u << 10;
  detail::ShardPages pages(ShardId(1), nullptr);
  pages.begin({}, true);
  EXPECT_TRUE(pages.joins(0, in_any_case));
  EXPECT_FALSE(pages.joins(0, 1));
  EXPECT_TRUE(pages.joins(1000, 4000));
  EXPECT_FALSE(pages.joins(0, 1));
  pages.begin({}, true);
  EXPECT_TRUE(pages.joins(0, in_any_case));
}

TEST(IndexPages, ATopicThatGetsPartitionsTakesItsIndexBack) {
  TestBroker broker;
  Rows rows = make_backlog(broker, "t");
  broker.round([&] {
    Topic& topic = *broker->topics().find("t");
    model::TopicSettings settings = broker->topics().state(topic).settings();
    settings.partition_count = 3;
    ASSERT_TRUE(broker->topics().change_settings(topic, settings).ok());
  });
  expect_rows(broker, "t", rows);
  broker.checkpoint();
  broker.crash();
  expect_rows(broker, "t", rows);
}

}  // namespace
}  // namespace trv::broker
