#include "kafka_inspector.h"

#include <algorithm>

#include "base/assert.h"
#include "kafka/wire/codec_test_support.h"

namespace trv::fuzz {

namespace {

using List = std::vector<Value>;

enum Key : std::int16_t {
  fetch = 1,
  list_offsets = 2,
  metadata = 3,
  offset_fetch = 9,
  delete_topics = 20,
  delete_groups = 42
};

constexpr std::int64_t offset_out_of_range = 1;

Asked asked(std::int16_t key, std::int16_t version, Value request) {
  return {&schema_api(key), version, std::move(request)};
}

Value one_log(const LogName& log, Value partition) {
  partition.set("index", log.partition);
  return List{Value().set("name", log.topic).set("partitions", List{std::move(partition)})};
}

// The one partition of the one topic of an answer.
const Value& only_partition(const Value& answer) {
  const auto& topics = answer["topics"].items();
  TRV_ASSERT(topics.size() == 1);
  const auto& partitions = topics[0]["partitions"].items();
  TRV_ASSERT(partitions.size() == 1);
  return partitions[0];
}

Asked fetch_from(const LogName& log, std::int64_t offset, bool committed) {
  Value partition;
  partition.set("fetch_offset", offset).set("max_bytes", 4 << 20);
  return asked(fetch, 11,
               Value()
                   .set("max_bytes", 4 << 20)
                   .set("isolation_level", committed)
                   .set("topics", one_log(log, std::move(partition))));
}

// Result: whether there is more.
bool read_on(const Value& partition, bool committed, FoundLog& found, std::int64_t& next) {
  // Retention came in between.
  found.moved |= partition["error_code"].number() == offset_out_of_range;
  if (found.moved) return false;
  TRV_ASSERT(partition["error_code"].number() == 0);
  found.start = std::max(found.start, partition["log_start_offset"].number());
  found.end = std::max(found.end, partition["high_watermark"].number());
  found.stable = std::max(found.stable, partition["last_stable_offset"].number());
  std::vector<ReadBatch> batches = read_batches(partition["records"].text());
  if (batches.empty()) return false;
  const model::BatchHeader& last = batches.back().header;
  TRV_ASSERT(last.base_offset.value + last.last_offset_delta >= next);
  std::vector<ReadBatch>& into = committed ? found.stable_ones : found.all;
  for (ReadBatch& batch : batches) {
    next = batch.header.base_offset.value + batch.header.offset_count();
    into.push_back(std::move(batch));
  }
  for (const Value& one : partition["aborted_transactions"].items()) {
    const AbortedTransaction aborted{one["producer_id"].number(), one["first_offset"].number()};
    const bool is_known = std::any_of(found.aborted.begin(), found.aborted.end(),
                                      [&](const AbortedTransaction& known) {
                                        return known.producer_id == aborted.producer_id &&
                                               known.first_offset == aborted.first_offset;
                                      });
    if (!is_known) found.aborted.push_back(aborted);
  }
  return next < (committed ? found.stable : found.end);
}

}  // namespace

KafkaInspector::KafkaInspector(kafka::Service& service, ConnectionId id, Settle settle)
    : service_(service), id_(id), settle_(std::move(settle)) {}

std::vector<Value> KafkaInspector::ask(std::vector<Asked> requests) {
  std::size_t next = 0;
  answers_.clear();
  settle_([&] {
    if (!session_) {
      session_ = std::make_unique<kafka::Session>(
          service_, id_, kafka::Session::Peer{"/127.0.0.1", "here", 9092},
          [this](const kafka::wire::EncodedMessage& message) { answers_.push_back(flat(message)); },
          [] {});
    }
    while (next < requests.size() && !session_->full()) {
      const Asked& one = requests[next];
      const std::string frame =
          encode_request(*one.api, one.version, static_cast<std::int32_t>(next), one.request);
      if (session_->must_wait_for(frame)) break;
      ++next;
      TRV_ASSERT(session_->on_frame(frame));
    }
    return answers_.size() == requests.size();
  });
  std::vector<Value> values;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Exchange exchange;
    exchange.api = requests[i].api;
    exchange.version = requests[i].version;
    exchange.correlation = static_cast<std::int32_t>(i);
    exchange.peer = peers_max;
    values.push_back(read_answer(exchange, answers_[i]));
  }
  return values;
}

std::vector<LogName> KafkaInspector::find_logs(KafkaFacts& facts) {
  List names;
  for (const std::string& name : facts.topics) names.push_back(Value().set("name", name));
  const Value answer = ask(
      {asked(metadata, 12,
             Value().set("topics", std::move(names)).set("allow_auto_topic_creation", false))})[0];
  std::vector<LogName> logs;
  for (const Value& topic : answer["topics"].items()) {
    if (topic["error_code"].number() != 0) continue;
    const std::string& name = topic["name"].text();
    facts.topic_ids[name] = topic["topic_id"].text();
    for (const Value& partition : topic["partitions"].items()) {
      logs.push_back({name, static_cast<std::int32_t>(partition["index"].number())});
    }
  }
  return logs;
}

std::vector<std::int64_t> KafkaInspector::find_starts(const std::vector<LogName>& logs) {
  constexpr std::int64_t earliest = -2;
  std::vector<Asked> requests;
  for (const LogName& log : logs) {
    Value topics = one_log(log, Value().set("timestamp", earliest));
    requests.push_back(
        asked(list_offsets, 7, Value().set("replica_id", -1).set("topics", std::move(topics))));
  }
  std::vector<std::int64_t> starts;
  for (const Value& answer : ask(std::move(requests))) {
    const Value& start = only_partition(answer);
    TRV_ASSERT(start["error_code"].number() == 0);
    starts.push_back(start["offset"].number());
  }
  return starts;
}

// A fetch may give less than there is, as long as it gives something.
void KafkaInspector::read_logs(const std::vector<LogName>& logs,
                               const std::vector<std::int64_t>& starts, bool committed,
                               std::vector<FoundLog>& found) {
  std::vector<std::int64_t> next = starts;
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < logs.size(); ++i) wanted.push_back(i);
  while (!wanted.empty()) {
    std::vector<Asked> requests;
    for (const std::size_t i : wanted) requests.push_back(fetch_from(logs[i], next[i], committed));
    const std::vector<Value> answers = ask(std::move(requests));
    std::vector<std::size_t> unread;
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const std::size_t i = wanted[k];
      if (read_on(only_partition(answers[k]), committed, found[i], next[i])) unread.push_back(i);
    }
    wanted = std::move(unread);
  }
}

void KafkaInspector::look_at_logs(KafkaFacts& facts, KafkaWitness& witness) {
  const std::vector<LogName> logs = find_logs(facts);
  if (logs.empty() || !witness.knows()) return;
  std::vector<FoundLog> found(logs.size());
  const std::vector<std::int64_t> starts = find_starts(logs);
  for (const bool committed : {false, true}) read_logs(logs, starts, committed, found);
  // They may have moved meanwhile.
  const std::vector<std::int64_t> starts_after = find_starts(logs);
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if (found[i].moved) continue;
    TRV_ASSERT(found[i].start >= starts[i]);
    TRV_ASSERT(found[i].start <= starts_after[i]);
    found[i].start = starts_after[i];
    witness.logs.on_found(logs[i], found[i], witness.now());
  }
}

void KafkaInspector::look_at_offsets(const KafkaFacts& facts, KafkaWitness& witness) {
  if (!witness.knows()) return;
  List topics;
  for (const std::string& name : facts.topics) {
    topics.push_back(Value().set("name", name).set("partitions", List{0, 1, 2}));
  }
  std::vector<Asked> requests;
  for (const std::string& group : facts.groups) {
    requests.push_back(
        asked(offset_fetch, 7, Value().set("group_id", group).set("topics", topics)));
  }
  const std::vector<Value> answers = ask(std::move(requests));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    TRV_ASSERT(answers[i]["error_code"].number() == 0);
    each_partition(facts, answers[i], [&](const LogName& log, auto&, const Value& partition) {
      TRV_ASSERT(partition["error_code"].number() == 0);
      witness.groups.on_found(
          facts.groups[i], log,
          {partition["committed_offset"].number(), partition["metadata"].text()});
    });
  }
}

void KafkaInspector::look(KafkaFacts& facts, KafkaWitness& witness) {
  look_at_logs(facts, witness);
  look_at_offsets(facts, witness);
}

void KafkaInspector::remove(const KafkaFacts& facts, const std::vector<std::string>& names) {
  List topics;
  for (const std::string& name : names) topics.push_back(name);
  List groups;
  for (const std::string& name : facts.groups) groups.push_back(name);
  ask({asked(delete_topics, 5, Value().set("topic_names", std::move(topics))),
       asked(delete_groups, 2, Value().set("groups", std::move(groups)))});
}

}  // namespace trv::fuzz
