// Transactions: coordinates the transactions whose transactional ids fall into this core's shards,
// and gives out producer ids.
//
// Owner: the core's Broker. What is decided is model::Transactions' matter, one object a shard;
// this makes it durable, tells the partitions and groups (on their own cores), and answers.
//
// A transaction ends in three steps, each after the one before is durable: the decision; a marker
// in every partition and group; the note that all of them are written. After a restart the second
// step is begun anew for every decided transaction; a second marker ends nothing and harms nobody.
//
// Invariants: no partition joins a transaction unannounced, so a batch that was delayed past its
// transaction's end is refused; every operation is answered exactly once, unless the broker stops.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "model/transaction.h"

namespace trv::broker {

template <class State>
class Feeds;

class Transactions {
 public:
  explicit Transactions(Broker& broker);
  ~Transactions();
  // After recovery: takes up what was under way.
  void start();
  void stop();

  struct Outcome {
    model::TransactionError error = model::TransactionError::none;
    std::optional<Error> failure;      // the journal's
    model::ProducerIdentity producer;  // of init and of an end: with which to go on
  };
  using Done = UniqueFunction<void(Outcome)>;

  // A producer without a transactional id; on any core.
  void init_idempotent(Done done);
  // On the owner's core of `transactional_id`, as all that follow.
  void init(const std::string& transactional_id, std::chrono::milliseconds timeout,
            std::optional<model::ProducerIdentity> expected, Done done);
  // The partitions exist, as far as the caller knows.
  void add_partitions(const std::string& transactional_id, model::ProducerIdentity producer,
                      const std::vector<model::TransactionPartition>& partitions, Done done);
  void add_group(const std::string& transactional_id, model::ProducerIdentity producer,
                 const std::string& group, Done done);
  // `done` runs when the markers are written, or when the decision is durable and a marker cannot
  // be written at present.
  void end(const std::string& transactional_id, model::ProducerIdentity producer, bool commit,
           Done done);
  // The second transaction protocol (KIP-890): raises the producer's epoch.
  void end_raising(const std::string& transactional_id, model::ProducerIdentity producer,
                   bool commit, Done done);

  // --- looking -----------------------------------------------------------------------------------
  // Nothing when the transactional id is unknown.
  std::optional<model::Transaction> describe(const std::string& transactional_id) const;
  // All of this core's shards.
  struct Listed {
    std::string transactional_id;
    ProducerId producer;
    model::Transaction::State state = model::Transaction::State::empty;
    WallTime started;
  };
  std::vector<Listed> list() const;
  Feeds<model::Transactions>& feeds();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
