// Topics of rows, each with a key, in a TestBroker.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker_test_support.h"
#include "model/batch.h"

namespace trv::broker {

struct Row {
  std::string key;
  std::optional<std::string> value;
  bool operator==(const Row&) const = default;
};

inline std::string batch_of(const std::vector<Row>& rows, std::int64_t timestamp_ms,
                            std::int16_t attributes = 0,
                            model::BatchBuilder::Identity identity = {}) {
  model::BatchBuilder builder;
  for (const Row& row : rows) {
    std::optional<ByteView> value;
    if (row.value) value = *row.value;
    builder.add(timestamp_ms, row.key, value, {}, 0);
  }
  return builder.take(Offset(0), attributes, identity);
}

inline void create(TestBroker& broker, const std::string& name, model::Cleaning cleaning,
                   std::int32_t partitions = 1) {
  model::TopicSettings settings;
  settings.cleaning = cleaning;
  settings.partition_count = partitions;
  broker.round([&] { ASSERT_TRUE(broker->topics().create(name, settings).ok()); });
}

inline void produce(TestBroker& broker, const std::string& name, const std::vector<Row>& rows,
                    std::int32_t partition = 0) {
  std::int64_t now = broker->wall_now().ms;
  broker.round([&] {
    Topic& topic = *broker->topics().find(name);
    auto appended =
        broker->topics().append_batch(topic, PartitionIndex(partition), batch_of(rows, now));
    ASSERT_TRUE(appended.ok()) << appended.error().message;
  });
  // A sync of much may run on another thread.
  auto visible = [&] {
    Topic& topic = *broker->topics().find(name);
    PartitionIndex p(partition);
    return broker->topics().high_watermark(topic, p) == broker->topics().state(topic).log_end(p);
  };
  for (int tries = 0; tries < 1000 && !visible(); ++tries) {
    broker.run_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(visible());
}

// Nobody waits for what the compactor does, so it is synced by and by.
inline void sync(TestBroker& broker) {
  bool done = false;
  broker.round([&] {
    broker->when_durable({broker->tail().round, Durability::fsync},
                         [&done](Result<Durable> durable) { done = durable.ok(); });
  });
  for (int tries = 0; tries < 1000 && !done; ++tries) broker.run_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(done);
}

// What readers by sequence see, with the sequences.
inline std::map<std::int64_t, Row> rows_of(TestBroker& broker, const std::string& name) {
  std::map<std::int64_t, Row> rows;
  broker.round([&] {
    Topic& topic = *broker->topics().find(name);
    auto end = broker->topics().read(topic, Sequence(0), [&](const model::StoredRecord& record) {
      Row row{std::string(record.key.value_or("null")), std::nullopt};
      if (record.value) row.value = std::string(*record.value);
      rows[record.sequence.value] = row;
      return true;
    });
    EXPECT_TRUE(end.ok()) << end.error().message;
  });
  return rows;
}

// Files of the journal, those included that are kept for use again.
inline std::size_t segment_count(TestBroker& broker) {
  Result<std::vector<std::string>> names = broker.directory().list();
  TRV_ASSERT(names.ok());
  return static_cast<std::size_t>(std::count_if(
      names->begin(), names->end(), [](auto& name) { return name.starts_with("segment-"); }));
}

}  // namespace trv::broker
