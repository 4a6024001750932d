// Exchange: a request of one client, with what the witnesses knew when it was said, until it is
// answered or its connection is gone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kafka_batches.h"
#include "kafka_facts.h"

namespace trv::fuzz {

struct LogFloors {
  std::uint64_t churn = 0;  // how often the topic came or went
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t stable = 0;
};

struct Exchange {
  const SchemaApi* api = nullptr;
  std::int16_t version = 0;
  std::int32_t correlation = 0;
  Value request;
  std::size_t peer = 0;
  std::uint64_t said_at = 0;  // moments count what is said and heard
  std::int64_t said_ms = 0;

  std::vector<std::string> changing;  // topics that it makes come or go
  std::map<LogName, LogFloors> floors;
  std::map<LogName, std::optional<ReadBatch>> produced;  // nothing: it is damaged
  std::map<LogName, std::uint64_t> offset_churn;
  std::set<LogName> others;  // it acknowledges something in them that another member holds
  int transaction = -1;
  std::uint64_t transaction_churn = 0;
  bool by_present_producer = false;
  bool was_open = false;       // the transaction
  std::int64_t named_id = -1;  // whom the broker named last of its transactional id
  std::int64_t named_epoch = -1;
  std::map<std::int64_t, std::int64_t> epochs;  // of producers: from which on they are not fenced
  std::set<int> aborted_before;                 // transactions
  std::set<int> committed_before;
};

// Calls `visit(log, topic, partition)` for each partition of a request or an answer.
template <class F>
void each_partition(const KafkaFacts& facts, const Value& message, F&& visit) {
  for (const Value& topic : message["topics"].items()) {
    std::string name = topic["name"].text();
    if (name.empty()) name = facts.topic_name(topic["topic_id"].text());
    for (const Value& partition : topic["partitions"].items()) {
      const std::int64_t index =
          partition.names().empty() ? partition.number() : partition["index"].number();
      visit(LogName{name, static_cast<std::int32_t>(index)}, topic, partition);
    }
  }
}

}  // namespace trv::fuzz
