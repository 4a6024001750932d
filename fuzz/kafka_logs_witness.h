// LogsWitness: what has to be in the partitions, as far as the answers say, and whether it is
// there. Sources: KAFKA.md sections 5 to 8 and 13; KIP-98.
//
//   - what Produce acknowledged stands at the offsets that were told, with the values that were
//     sent; what was shown once stays, until it is deleted, expires or is compacted;
//   - compaction keeps the newest record of each key, and leaves alone what has no newer one;
//   - high watermark >= last stable offset >= log start, and none of them ever goes back;
//   - the log start moves only as far as somebody deleted records, or by retention;
//   - a damaged batch is not acknowledged, nor is one of a transaction's older epoch;
//   - of one producer's epoch sequences ascend along the log, none comes twice, and its epochs do
//     not go back;
//   - who reads committed records is shown none of an aborted or open transaction, and all of the
//     others below the last stable offset, now and later; that is the high watermark when no
//     transaction is open;
//   - a fetch leaves out nothing between its offset and what it shows, and is not empty when there
//     is something.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kafka_exchange.h"
#include "kafka_transactions_witness.h"

namespace trv::fuzz {

// One partition as somebody found it who looked when nothing else happened.
struct FoundLog {
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t stable = 0;
  std::vector<ReadBatch> all;
  std::vector<ReadBatch> stable_ones;  // with those of aborted transactions
  std::vector<AbortedTransaction> aborted;
  bool moved = false;  // its start, while it was looked at
};

class LogsWitness {
 public:
  LogsWitness(KafkaFacts& facts, TransactionsWitness& transactions)
      : facts_(facts), transactions_(transactions) {}

  void on_said(Exchange& exchange);
  void on_answered(const Exchange& exchange, const Value& answer, std::uint64_t now);
  void on_lost(const Exchange& exchange);
  void on_found(const LogName& name, const FoundLog& found, std::uint64_t now);
  // So long that the broker may have forgotten producers and their sequences.
  void on_long_time() { sequences_known_ = false; }
  // So long that transactions may have timed out.
  void on_some_time() { may_time_out_ = true; }
  std::uint64_t checked_count() const { return checked_; }

 private:
  struct Record {
    std::optional<std::string> key;
    std::optional<std::string> value;
    bool transactional = false;
    int transaction = -1;  // not known: -1
    std::uint64_t since = 0;
    bool shown = false;   // to who reads committed ones
    bool hidden = false;  // from them, for good
  };
  struct Log {
    std::map<std::int64_t, Record> records;
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::int64_t stable = 0;
    std::int64_t deleted_to = 0;
    bool uncertain = false;  // a transaction without known records may be open in it
  };
  struct Topic {
    std::uint64_t churn = 0;
    int changing = 0;  // requests under way that make it come or go
    bool compacts = false;
    bool expires = false;
    std::map<std::int32_t, Log> logs;
  };

  void note_changing(Exchange& exchange) const;
  void note_changes(const Exchange& exchange, int change);
  void note_configs(const Value& configs, const std::string& topic);
  void on_produced(const Exchange& exchange, const LogName& name, const Value& partition,
                   std::uint64_t now);
  void on_fetched(const Exchange& exchange, const LogName& name, const Value& partition,
                  std::uint64_t now);
  void check_complete(const Exchange& exchange, const Log& log, const LogName& name,
                      const Value& partition, const std::vector<ReadBatch>& batches, bool compacts);
  // Null when it is not sure that the answer is about what there is now.
  Log* find_same(const Exchange& exchange, const LogName& name);
  void note_read(Log& log, const std::vector<ReadBatch>& batches, std::uint64_t now);
  void check_committed(const Exchange& exchange, Log& log, const std::vector<ReadBatch>& batches,
                       const std::vector<const ReadBatch*>& shown);
  void check_missing(const Topic& topic, Log& log, const std::set<std::int64_t>& found) const;
  bool superseded(const Log& log, std::int64_t offset, const Record& record) const;
  void check_shown(Log& log, const FoundLog& found);
  void check_sequences(const std::vector<ReadBatch>& batches) const;
  bool anything_open(const Log& log) const;

  KafkaFacts& facts_;
  TransactionsWitness& transactions_;
  std::map<std::string, Topic> topics_;
  bool sequences_known_ = true;
  bool may_time_out_ = false;
  std::uint64_t checked_ = 0;
};

}  // namespace trv::fuzz
