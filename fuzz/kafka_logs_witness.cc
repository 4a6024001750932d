#include "kafka_logs_witness.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace trv::fuzz {

namespace {

using State = TransactionsWitness::State;

constexpr std::int64_t anywhere = std::numeric_limits<std::int64_t>::max();

enum Key : std::int16_t {
  produce = 0,
  fetch = 1,
  list_offsets = 2,
  create_topics = 19,
  delete_topics = 20,
  delete_records = 21,
  alter_configs = 33,
  incremental_alter_configs = 44
};

// The one batch of a produce request, as far as it may be acknowledged.
std::optional<ReadBatch> read_produced(const std::string& bytes) {
  const auto header = model::check_batch(bytes);
  if (!has_right_sum(bytes)) return std::nullopt;
  if (!header || header->control() || header->record_count < 1) return std::nullopt;
  const auto records = model::batch_records(Slice::own(std::string(bytes)), *header);
  if (!records || !model::check_records(records->view(), header->record_count)) return std::nullopt;
  return std::move(read_batches(bytes).front());
}

}  // namespace

void LogsWitness::note_configs(const Value& configs, const std::string& topic) {
  for (const Value& config : configs.items()) {
    const std::string& name = config["name"].text();
    Topic& known = topics_[topic];
    if (config["value"].text().find("compact") != std::string::npos) known.compacts = true;
    if (!name.starts_with("retention.")) continue;
    known.expires = true;
    facts_.expiring.insert(topic);
  }
}

void LogsWitness::note_changing(Exchange& exchange) const {
  if (exchange.api->key != delete_topics) return;
  const bool by_id = exchange.version >= 6;
  for (const Value& topic : exchange.request["topics"].items()) {
    const std::string& name = topic["name"].text();
    if (by_id) {
      exchange.changing.push_back(name.empty() ? facts_.topic_name(topic["topic_id"].text())
                                               : name);
    }
  }
  for (const Value& name : exchange.request["topic_names"].items()) {
    if (!by_id) exchange.changing.push_back(name.text());
  }
}

void LogsWitness::note_changes(const Exchange& exchange, int change) {
  for (const std::string& name : exchange.changing) {
    topics_[name].changing += change;
    ++topics_[name].churn;
  }
}

void LogsWitness::on_said(Exchange& exchange) {
  note_changing(exchange);
  note_changes(exchange, 1);
  for (auto& [name, topic] : topics_) {
    for (auto& [index, log] : topic.logs) {
      exchange.floors[{name, index}] = {topic.churn, log.start, log.end, log.stable};
    }
  }
  switch (exchange.api->key) {
    case produce:
      each_partition(facts_, exchange.request, [&](const LogName& name, auto&, const Value& part) {
        exchange.floors.try_emplace(name, LogFloors{topics_[name.topic].churn, 0, 0, 0});
        exchange.produced[name] = read_produced(part["records"].text());
      });
      break;
    case delete_records:
      each_partition(facts_, exchange.request, [&](const LogName& name, auto&, const Value& part) {
        Log& log = topics_[name.topic].logs[name.partition];
        const std::int64_t offset = part["offset"].number();
        log.deleted_to = std::max(log.deleted_to, offset == -1 ? anywhere : offset);
      });
      break;
    case create_topics:
      for (const Value& topic : exchange.request["topics"].items()) {
        note_configs(topic["configs"], topic["name"].text());
      }
      break;
    case alter_configs:
    case incremental_alter_configs:
      for (const Value& resource : exchange.request["resources"].items()) {
        note_configs(resource["configs"], resource["name"].text());
      }
      break;
    default:
      break;
  }
}

void LogsWitness::on_lost(const Exchange& exchange) {
  note_changes(exchange, -1);
  // It may have gone, and may have come again.
  for (const std::string& name : exchange.changing) topics_[name].logs.clear();
}

LogsWitness::Log* LogsWitness::find_same(const Exchange& exchange, const LogName& name) {
  const auto before = exchange.floors.find(name);
  const auto topic = topics_.find(name.topic);
  if (topic == topics_.end() || before == exchange.floors.end()) return nullptr;
  if (topic->second.changing > 0 || topic->second.churn != before->second.churn) return nullptr;
  return &topic->second.logs[name.partition];
}

void LogsWitness::on_answered(const Exchange& exchange, const Value& answer, std::uint64_t now) {
  note_changes(exchange, -1);
  const auto each = [&](auto&& visit) {
    each_partition(facts_, answer, [&](const LogName& name, auto&, const Value& partition) {
      if (partition["error_code"].number() == 0) visit(name, partition);
    });
  };
  switch (exchange.api->key) {
    case produce:
      each([&](const LogName& name, const Value& part) { on_produced(exchange, name, part, now); });
      break;
    case fetch:
      each([&](const LogName& name, const Value& part) { on_fetched(exchange, name, part, now); });
      break;
    case delete_records:
      each([&](const LogName& name, const Value& partition) {
        Log* log = find_same(exchange, name);
        if (!log) return;
        const std::int64_t start = partition["low_watermark"].number();
        TRV_ASSERT(start >= exchange.floors.at(name).start);
        log->start = std::max(log->start, start);
      });
      break;
    case delete_topics:
      for (const Value& one : answer["topics"].items()) {
        if (one["error_code"].number() != 0) continue;
        for (const std::string& name : exchange.changing) topics_[name].logs.clear();
      }
      break;
    default:
      break;
  }
}

void LogsWitness::on_produced(const Exchange& exchange, const LogName& name, const Value& partition,
                              std::uint64_t now) {
  const auto sent = exchange.produced.find(name);
  TRV_ASSERT(sent != exchange.produced.end());
  TRV_ASSERT(sent->second);
  Log* log = find_same(exchange, name);
  if (!log) return;
  const ReadBatch& batch = *sent->second;
  const std::int64_t base = partition["base_offset"].number();
  TRV_ASSERT(base >= 0);
  const bool clear = transactions_.is_clear(exchange);
  const bool is_fresh = base >= exchange.floors.at(name).end;
  if (batch.header.producer_id.value < 0) TRV_ASSERT(is_fresh);
  const auto epoch = exchange.epochs.find(batch.header.producer_id.value);
  if (is_fresh && batch.header.transactional() && epoch != exchange.epochs.end()) {
    TRV_ASSERT(batch.header.producer_epoch >= epoch->second);
  }
  for (const ReadRecord& record : batch.records) {
    const std::int64_t offset = base + record.offset;
    if (offset < log->start) continue;
    const auto [place, is_new] = log->records.try_emplace(offset);
    Record& known = place->second;
    if (is_new) {
      // A batch that was acknowledged before may have lost it by now.
      if (offset < exchange.floors.at(name).end) {
        log->records.erase(place);
        continue;
      }
      known = {record.key, record.value, batch.header.transactional(), -1, now, false, false};
    }
    TRV_ASSERT(known.value == record.value);
    TRV_ASSERT(known.key == record.key);
    TRV_ASSERT(known.transactional == batch.header.transactional());
    if (known.transactional && known.transaction < 0 && clear && is_new) {
      known.transaction = exchange.transaction;
    }
    ++checked_;
  }
  log->end = std::max(log->end, base + batch.header.offset_count());
}

void LogsWitness::note_read(Log& log, const std::vector<ReadBatch>& batches, std::uint64_t now) {
  for (const ReadBatch& batch : batches) {
    if (batch.header.control()) continue;
    for (const ReadRecord& record : batch.records) {
      if (record.offset < log.start) continue;
      const auto [place, is_new] = log.records.try_emplace(record.offset);
      Record& known = place->second;
      if (is_new) {
        known = {record.key, record.value, batch.header.transactional(), -1, now, false, false};
      }
      TRV_ASSERT(known.value == record.value);
      TRV_ASSERT(known.key == record.key);
      TRV_ASSERT(known.transactional == batch.header.transactional());
      ++checked_;
    }
  }
}

void LogsWitness::on_fetched(const Exchange& exchange, const LogName& name, const Value& partition,
                             std::uint64_t now) {
  const std::int64_t end = partition["high_watermark"].number();
  const std::int64_t stable = partition["last_stable_offset"].number();
  const bool tells_start = partition.has("log_start_offset");
  const std::int64_t start = tells_start ? partition["log_start_offset"].number() : 0;
  TRV_ASSERT(stable <= end);
  TRV_ASSERT(start <= stable);
  const bool committed = exchange.request["isolation_level"].number() == 1;
  TRV_ASSERT(partition["aborted_transactions"].is_null() != committed);
  const std::vector<ReadBatch> batches = read_batches(partition["records"].text());
  for (const ReadBatch& batch : batches) {
    const std::int64_t last = batch.header.base_offset.value + batch.header.last_offset_delta;
    TRV_ASSERT(last < (committed ? stable : end));
  }
  facts_.ends[name] = end;
  if (topics_[name.topic].changing > 0) return;
  Log* log = find_same(exchange, name);
  if (!log) return;
  const LogFloors& floors = exchange.floors.at(name);
  TRV_ASSERT(end >= floors.end);
  TRV_ASSERT(stable >= floors.stable);
  TRV_ASSERT(!tells_start || start >= floors.start);
  log->end = std::max(log->end, end);
  log->stable = std::max(log->stable, stable);
  log->start = std::max(log->start, start);
  note_read(*log, batches, now);
  check_complete(exchange, *log, name, partition, batches, topics_[name.topic].compacts);
  if (!committed) return;
  std::vector<AbortedTransaction> aborted;
  for (const Value& one : partition["aborted_transactions"].items()) {
    aborted.push_back({one["producer_id"].number(), one["first_offset"].number()});
  }
  check_committed(exchange, *log, batches, committed_batches(batches, std::move(aborted)));
}

// KAFKA.md section 8: the first partition that has something yields at least one whole batch.
void LogsWitness::check_complete(const Exchange& exchange, const Log& log, const LogName& name,
                                 const Value& partition, const std::vector<ReadBatch>& batches,
                                 bool compacts) {
  if (compacts || exchange.request.has("session_epoch")) return;
  std::int64_t from = -1;
  each_partition(facts_, exchange.request, [&](const LogName& asked, auto&, const Value& part) {
    if (asked == name) from = part["fetch_offset"].number();
  });
  if (from < 0) return;
  const bool committed = exchange.request["isolation_level"].number() == 1;
  std::set<std::int64_t> shown;
  for (const ReadBatch& batch : batches) {
    for (const ReadRecord& record : batch.records) shown.insert(record.offset);
  }
  const std::int64_t until =
      batches.empty()
          ? partition[committed ? "last_stable_offset" : "high_watermark"].number()
          : batches.back().header.base_offset.value + batches.back().header.last_offset_delta + 1;
  for (auto it = log.records.lower_bound(std::max(from, log.start));
       it != log.records.end() && it->first < until; ++it) {
    if (it->second.since < exchange.said_at) TRV_ASSERT(shown.contains(it->first));
  }
}

void LogsWitness::check_committed(const Exchange& exchange, Log& log,
                                  const std::vector<ReadBatch>& batches,
                                  const std::vector<const ReadBatch*>& shown) {
  for (const ReadBatch* batch : shown) {
    for (const ReadRecord& record : batch->records) {
      const auto known = log.records.find(record.offset);
      if (known == log.records.end() || !known->second.transactional) continue;
      TRV_ASSERT(!known->second.hidden);
      const int transaction = known->second.transaction;
      TRV_ASSERT(!exchange.aborted_before.contains(transaction));
      TRV_ASSERT(transactions_.state(transaction) != State::aborted);
      known->second.shown = true;
    }
  }
  for (const ReadBatch& batch : batches) {
    const bool is_shown = std::find(shown.begin(), shown.end(), &batch) != shown.end();
    for (const ReadRecord& record : batch.records) {
      const auto known = log.records.find(record.offset);
      if (is_shown || known == log.records.end()) continue;
      TRV_ASSERT(known->second.transactional);
      TRV_ASSERT(!exchange.committed_before.contains(known->second.transaction));
    }
  }
}

// --- looking when nothing happens
// -----------------------------------------------------------------

void LogsWitness::on_found(const LogName& name, const FoundLog& found, std::uint64_t now) {
  Topic& topic = topics_[name.topic];
  if (topic.changing > 0) return;
  Log& log = topic.logs[name.partition];
  TRV_ASSERT(found.start <= found.stable);
  TRV_ASSERT(found.stable <= found.end);
  TRV_ASSERT(found.end >= log.end);
  TRV_ASSERT(found.stable >= log.stable);
  TRV_ASSERT(found.start >= log.start);
  TRV_ASSERT(topic.expires || found.start <= std::max(log.deleted_to, log.start));
  log.start = found.start;
  log.end = found.end;
  log.stable = found.stable;
  facts_.ends[name] = found.end;
  while (!log.records.empty() && log.records.begin()->first < log.start) {
    const Record& record = log.records.begin()->second;
    const State state = transactions_.state(record.transaction);
    log.uncertain |= record.transactional && (state == State::open || state == State::unknown);
    log.records.erase(log.records.begin());
  }
  note_read(log, found.all, now);
  std::set<std::int64_t> offsets;
  for (const ReadBatch& batch : found.all) {
    for (const ReadRecord& record : batch.records) offsets.insert(record.offset);
  }
  check_missing(topic, log, offsets);
  check_sequences(found.all);
  check_shown(log, found);
  if (!anything_open(log)) TRV_ASSERT(found.stable == found.end);
}

void LogsWitness::check_missing(const Topic& topic, Log& log,
                                const std::set<std::int64_t>& found) const {
  std::vector<std::int64_t> gone;
  for (const auto& [offset, record] : log.records) {
    if (found.contains(offset)) continue;
    TRV_ASSERT(topic.compacts);
    TRV_ASSERT(superseded(log, offset, record));
    gone.push_back(offset);
  }
  for (const std::int64_t offset : gone) log.records.erase(offset);
}

// Compaction may take it. (KAFKA.md section 13.)
bool LogsWitness::superseded(const Log& log, std::int64_t offset, const Record& record) const {
  if (!record.key || !record.value) return true;
  if (record.transactional) {
    const State state = transactions_.state(record.transaction);
    if (state == State::aborted || state == State::unknown) return true;
    if (state == State::open && may_time_out_) return true;
  }
  return std::any_of(log.records.upper_bound(offset), log.records.end(), [&](const auto& later) {
    const State state = transactions_.state(later.second.transaction);
    const bool counts =
        !later.second.transactional || state == State::committed || state == State::unknown;
    return later.second.key == record.key && counts;
  });
}

void LogsWitness::check_shown(Log& log, const FoundLog& found) {
  std::set<std::int64_t> shown;
  for (const ReadBatch* batch : committed_batches(found.stable_ones, found.aborted)) {
    for (const ReadRecord& record : batch->records) {
      TRV_ASSERT(record.offset < found.stable);
      shown.insert(record.offset);
    }
  }
  for (auto& [offset, record] : log.records) {
    if (offset >= found.stable) {
      TRV_ASSERT(!record.shown);
      continue;
    }
    const bool is_shown = shown.contains(offset);
    const State state =
        record.transactional ? transactions_.state(record.transaction) : State::committed;
    if (state == State::committed) TRV_ASSERT(is_shown);
    if (state == State::aborted || state == State::open) TRV_ASSERT(!is_shown);
    TRV_ASSERT(is_shown ? !record.hidden : !record.shown);
    (is_shown ? record.shown : record.hidden) = true;
  }
}

// KIP-98: exactly once and in order for each producer.
void LogsWitness::check_sequences(const std::vector<ReadBatch>& batches) const {
  if (!sequences_known_) return;
  std::map<std::pair<std::int64_t, std::int16_t>, std::int32_t> last;
  std::map<std::int64_t, std::int16_t> epochs;
  for (const ReadBatch& batch : batches) {
    const model::BatchHeader& header = batch.header;
    if (header.producer_id.value < 0) continue;
    const auto [epoch, is_new_epoch] =
        epochs.try_emplace(header.producer_id.value, header.producer_epoch);
    TRV_ASSERT(header.producer_epoch >= epoch->second);
    epoch->second = header.producer_epoch;
    if (header.control()) continue;
    const auto [place, is_new] =
        last.try_emplace({header.producer_id.value, header.producer_epoch}, -1);
    TRV_ASSERT(header.base_sequence > place->second);
    place->second = header.base_sequence + header.last_offset_delta;
  }
}

bool LogsWitness::anything_open(const Log& log) const {
  if (log.uncertain) return true;
  return std::any_of(log.records.begin(), log.records.end(), [&](const auto& entry) {
    const State state = transactions_.state(entry.second.transaction);
    const bool may_be = state == State::open || state == State::unknown;
    return entry.second.transactional && may_be;
  });
}

}  // namespace trv::fuzz
