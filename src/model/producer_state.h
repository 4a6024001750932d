// ProducerStates: what one partition knows about the producers that write to it: their epochs,
// their last batches (so that a retried batch is not stored twice), their open transactions, and
// which parts of the log belong to aborted transactions.
//
// Owner: the partition's log, on its shard; lives as long as the log. It is derived from the
// batches alone: the same apply() runs when a batch is appended and when it is replayed, so live
// and replayed state are equal. Source of the rules: KAFKA.md sections 6 and 7, KIP-98, KIP-890.
//
// Invariants:
//   - a producer's epoch never falls; batches of one epoch follow each other without a gap;
//   - applied batches count from the moment of apply(), durable or not. A duplicate of a batch that
//     is still on its way to the disk answers with that batch's offset; the caller releases the
//     answer with the same durability as the first one's;
//   - a producer has at most one open transaction; a control marker closes it;
//   - aborted transactions are kept in the order of their markers and dropped only by trim().
//
// The expectation of a transaction (expect_transaction) is the one thing that is not in the log:
// the coordinator announces each partition that joins a transaction, and a transactional batch
// without an announcement is refused. That keeps a batch that was delayed past the end of its
// transaction from opening one that nobody would close. After a restart the owner announces the
// partitions of all ongoing transactions again.
//
// Pure: no I/O, no clock.
#pragma once

#include <array>
#include <boost/container/deque.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::model {

using ProducerEpoch = std::int16_t;

// The facts of one batch that matter here; producer -1 stands for none.
struct BatchFacts {
  ProducerId producer{-1};
  ProducerEpoch epoch = -1;
  std::int32_t first_sequence = -1;
  std::int32_t record_count = 0;
  bool transactional = false;
  Offset base_offset{-1};  // only for apply(): where it was appended
  WallTime timestamp;      // its largest
  // When it was appended, by the owner's clock (producers' clocks may be anything); the time of the
  // journal frame, or of the replay when that is not known. Only for apply() and expiry.
  WallTime appended{};
};

// A control batch that ends a producer's transaction in this partition.
struct MarkerFacts {
  ProducerId producer{-1};
  ProducerEpoch epoch = -1;
  bool commit = false;
  std::int32_t coordinator_epoch = 0;
  Offset offset{-1};    // only for apply()
  WallTime appended{};  // only for apply()
};

struct BatchVerdict {
  bool duplicate = false;
  // Of the stored original, when it is a duplicate.
  Offset base_offset{-1};
  WallTime timestamp;
};

struct AbortedTransaction {
  ProducerId producer;
  Offset first;   // of its first batch here
  Offset last;    // of its marker
  Offset stable;  // all transactions that end later start at or after this
  bool operator==(const AbortedTransaction&) const = default;
};

struct ProducerDescription {
  ProducerId producer;
  ProducerEpoch epoch = -1;
  std::int32_t last_sequence = -1;
  WallTime last_timestamp;
  std::int32_t coordinator_epoch = -1;
  Offset transaction_start{-1};  // -1: no open transaction
};

class ProducerStates {
 public:
  static constexpr std::size_t batch_window = 5;
  static constexpr std::size_t producers_max = 1'000'000;
  static constexpr std::int32_t sequence_max = 2'147'483'647;

  // May the batch be appended? A verdict of duplicate means: answer with the old offset.
  // Errors: fenced (older epoch), sequence_gap, invalid_state (transactional batch outside a
  // transaction, or the other way round), invalid_argument (nonsensical fields),
  // overloaded (too many producers).
  Result<BatchVerdict> check(const BatchFacts& batch) const;
  // Errors: fenced (older producer epoch), concurrent_update (older coordinator epoch).
  Status check_marker(const MarkerFacts& marker) const;

  // The batch or marker is in the log. Requires: check() allowed it, when live; replay applies what
  // the log holds.
  void apply(const BatchFacts& batch);
  void apply(const MarkerFacts& marker);

  // The coordinator added this partition to the producer's present transaction.
  void expect_transaction(ProducerId producer, ProducerEpoch epoch);
  bool has_open_transaction(ProducerId producer) const;

  // Readers of committed records read below this: the start of the first transaction that is open,
  // or that was closed by a marker that is not yet below the high watermark; else the latter.
  Offset last_stable_offset(Offset high_watermark);
  // Aborted transactions that overlap [from, end), in the order of their markers.
  std::vector<AbortedTransaction> aborted_in(Offset from, Offset end) const;

  // Forgets aborted transactions that end below the log's start.
  void trim(Offset log_start);
  // Forgets producers without an open transaction that wrote nothing since `before`.
  void expire(WallTime before);

  std::size_t size() const { return producers_.size(); }
  std::vector<ProducerDescription> describe() const;

  // docs/formats/producer-state.md. Expectations are left out.
  std::string encode() const;
  static Result<ProducerStates> decode(ByteView bytes);

  // Equality of what the log determines.
  bool operator==(const ProducerStates& other) const;

 private:
  struct Batch {
    std::int32_t first_sequence = -1;
    std::int32_t last_sequence = -1;
    Offset base_offset{-1};
    WallTime timestamp;
    bool operator==(const Batch&) const = default;
  };
  struct Producer {
    ProducerEpoch epoch = -1;
    std::int32_t coordinator_epoch = -1;
    std::uint8_t batch_count = 0;
    std::array<Batch, batch_window> batches;  // oldest first; only batch_count are valid
    Offset transaction_start{-1};
    WallTime last_update;
    bool operator==(const Producer&) const = default;

    void push(Batch batch);
    void start_epoch(ProducerEpoch next);
  };
  // Closed by a marker that may not be durable yet.
  struct Closing {
    Offset first;
    Offset marker;
  };

  Result<BatchVerdict> check_sequence(const Producer* known, const BatchFacts& batch) const;
  Status check_transaction(const Producer* known, const BatchFacts& batch) const;
  const Producer* find(ProducerId id) const;

  std::unordered_map<ProducerId, Producer> producers_;
  std::map<Offset, ProducerId> open_;  // by first offset
  std::vector<AbortedTransaction> aborted_;
  boost::container::deque<Closing> closing_;
  std::unordered_map<ProducerId, ProducerEpoch> expected_;
};

}  // namespace trv::model
