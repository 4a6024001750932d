// Transactions: the coordinator of all transactional ids of one shard, and the source of producer
// ids.
//
// Owner: the broker, one per shard; durable. It changes only by apply() of a command that was
// journaled; replay calls the same. Each operation is a decision about the present state: an error,
// or an answer plus at most a few commands, which the caller journals and applies at once, in
// order. Answers are released, and markers are sent, when the commands are durable; an answer
// without commands when everything journaled before it is, because it may speak of that. Bytes of
// the commands: docs/formats/transaction.md. Source of the rules: KAFKA.md section 7, KIP-98,
// KIP-360, KIP-890 (the second transaction protocol).
//
//   empty -> ongoing -> prepare_commit -> complete_commit -> ongoing ...
//                    -> prepare_abort  -> complete_abort  -> ongoing ...
//
// Invariants:
//   - state == replay of the commands == restore(snapshot());
//   - the decision (prepare_...) is durable before any marker is written, and every partition and
//     group of the transaction gets its marker before the next transaction of the id begins;
//   - a producer's epoch only grows; a decision that the coordinator takes itself (timeout, a new
//     producer of the same id) raises it, which fences whoever held it;
//   - a producer id is given out once, ever: its lowest 8 bits are the shard, the rest counts, and
//     the count's reservation is durable before an id of it is used.
//
// Not here: writing markers (broker), the partitions' view (model/producer_state.h), pending
// offsets (model/group_offsets.h). Pure: no I/O, no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/change_feed.h"

namespace trv::model {

enum class TransactionError : std::uint8_t {
  none,
  invalid_request,      // an empty transactional id
  invalid_timeout,      // outside 1..timeout_max
  concurrent,           // the last transaction is still being ended: try again
  fenced,               // another producer took over the transactional id
  wrong_producer,       // the transactional id is unknown or has another producer id
  invalid_state,        // nothing to end, or ended the other way
  too_many_partitions,  // limits.partitions_max
  too_many_ids,         // limits.ids_max
};

struct TransactionLimits {
  std::chrono::milliseconds timeout_max{900'000};
  std::chrono::milliseconds id_expiration{std::chrono::hours(24 * 7)};
  std::size_t partitions_max = 100'000;  // of one transaction, groups included
  std::size_t ids_max = 100'000;         // transactional ids of one shard
};

struct ProducerIdentity {
  ProducerId id{-1};
  std::int16_t epoch = -1;
  bool operator==(const ProducerIdentity&) const = default;
};

struct TransactionPartition {
  std::string topic;
  PartitionIndex partition;
  auto operator<=>(const TransactionPartition&) const = default;
};

// Where the end of a transaction must be made known.
struct TransactionMarkers {
  std::string transactional_id;
  ProducerIdentity producer;  // with the epoch that the markers carry
  bool commit = false;
  std::vector<TransactionPartition> partitions;
  std::vector<std::string> groups;
};

struct TransactionDecision {
  TransactionError error = TransactionError::none;
  std::vector<std::string> commands;  // journal and apply all, in order; also with an error
  ProducerIdentity producer;          // for init, renew, end_raising
  // The commands decide the end of a transaction: once they are durable, send its markers
  // (see Transactions::markers).
  bool ends = false;
};

class Transaction {
 public:
  enum class State : std::uint8_t {
    empty = 0,            // a producer is registered and has not begun
    ongoing = 1,          // partitions or groups joined; the timeout runs
    prepare_commit = 2,   // decided: commit; markers are under way
    prepare_abort = 3,    // decided: abort; markers are under way
    complete_commit = 4,  // all markers are written
    complete_abort = 5,
  };

  State state = State::empty;
  ProducerIdentity producer;
  // A producer that asks for the next epoch and does not get the answer asks again with this one.
  std::int16_t last_epoch = -1;
  std::chrono::milliseconds timeout{0};
  std::set<TransactionPartition> partitions;
  std::set<std::string> groups;
  WallTime started;
  WallTime updated;

  bool operator==(const Transaction&) const = default;
  bool is_preparing() const {
    return state == State::prepare_commit || state == State::prepare_abort;
  }
  // Requires: timeout >= 0. Never, rather than wrapped around.
  WallTime deadline() const {
    constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    return {started.ms > never - timeout.count() ? never : started.ms + timeout.count()};
  }
};

std::string_view transaction_state_name(Transaction::State state);

class Transactions {
 public:
  Transactions(ShardId shard, TransactionLimits limits) : shard_(shard), limits_(limits) {}

  // A producer without a transactional id. The answer's producer has epoch 0.
  TransactionDecision init_idempotent();
  // `expected` is what the producer holds when it asks for its next epoch.
  TransactionDecision init(std::string_view transactional_id, std::chrono::milliseconds timeout,
                           std::optional<ProducerIdentity> expected);
  TransactionDecision add_partitions(std::string_view transactional_id, ProducerIdentity producer,
                                     const std::vector<TransactionPartition>& partitions) const;
  TransactionDecision add_group(std::string_view transactional_id, ProducerIdentity producer,
                                std::string_view group) const;
  TransactionDecision end(std::string_view transactional_id, ProducerIdentity producer,
                          bool commit) const;
  // The second transaction protocol: every end raises the epoch, also one that aborts nothing, and
  // the markers carry the raised one, which fences whatever of this transaction is still under way.
  // The producer goes on with the answer's identity; a repeated request has the epoch of before.
  TransactionDecision end_raising(std::string_view transactional_id, ProducerIdentity producer,
                                  bool commit) const;
  // The last epoch of an id is for fencing: a producer that was raised to it goes on with a new id.
  // Requires: transactional_id is known. Error: concurrent, while its markers are under way.
  TransactionDecision renew(std::string_view transactional_id);
  static bool is_spent(ProducerIdentity producer);
  // All markers of the decided transaction are durable.
  TransactionDecision complete(std::string_view transactional_id, ProducerIdentity producer) const;
  // Aborts one transaction that ran out of time; none if there is none. Call until it is none.
  struct Timeout {
    std::string transactional_id;
    TransactionDecision decision;
  };
  std::optional<Timeout> tick(WallTime now) const;
  std::optional<WallTime> next_deadline() const;
  // Forgets ids that have been idle for limits.id_expiration.
  std::vector<std::string> expire(WallTime now) const;

  static std::string encode_feed(FeedStep step);
  // Errors: corrupt; nothing is changed then.
  Status apply(ByteView command, WallTime now);

  // What must be sent for a decided transaction; none if it is not preparing.
  std::optional<TransactionMarkers> markers(std::string_view transactional_id) const;
  // After a restart: decided transactions, whose markers must be sent (again), and ongoing ones,
  // whose partitions and groups must be told to expect them.
  std::vector<std::string> preparing() const;
  std::vector<std::string> ongoing() const;

  // Null if unknown. Valid until the next apply().
  const Transaction* find(std::string_view transactional_id) const;
  const std::map<std::string, Transaction, std::less<>>& all() const { return transactions_; }
  using Key = std::string;  // a transactional id
  const ChangeFeed<Key>& changes() const { return changes_; }

  std::string snapshot() const;
  // Requires: *this is new, of the same shard. Errors: corrupt.
  Status restore(ByteView snapshot);

  bool operator==(const Transactions& other) const {
    return transactions_ == other.transactions_ && reserved_ == other.reserved_ &&
           changes_ == other.changes_;
  }

 private:
  struct Command;

  static constexpr std::uint64_t id_block = 1000;

  ProducerId take_id(TransactionDecision& decision);
  TransactionDecision init_known(std::string_view transactional_id, const Transaction& transaction,
                                 std::chrono::milliseconds timeout,
                                 std::optional<ProducerIdentity> expected);
  TransactionError check_producer(std::string_view transactional_id, ProducerIdentity producer,
                                  const Transaction** transaction) const;
  static Result<Command> decode(ByteView bytes);
  static Transaction::State target_of(const Command& command, const Transaction& transaction);
  Status apply_to_transaction(const Command& command, WallTime now);
  void apply_join(const Command& command, Transaction& transaction, WallTime now);
  void apply_feed(FeedStep step);
  // The only place where a transaction's state changes.
  void become(const std::string& transactional_id, Transaction& transaction,
              Transaction::State next);

  ShardId shard_;
  TransactionLimits limits_;
  std::map<std::string, Transaction, std::less<>> transactions_;
  std::set<std::pair<WallTime, std::string>> deadlines_;  // of the ongoing ones
  std::uint64_t reserved_ = 0;  // counts below this may have been given out
  ChangeFeed<Key> changes_;
  // The block that this process life gives out: [next_, block_end_).
  std::uint64_t next_ = 0;
  std::uint64_t block_end_ = 0;
};

}  // namespace trv::model
