// TransactionsWitness: which transactions there were and how each ended, as far as the answers say.
// Sources: KIP-98, KIP-890, KAFKA.md section 7.
//
//   - EndTxn without an error, by the producer that the broker named last: it ended as asked for;
//   - InitProducerId without an error or with 51: what was open is aborted;
//   - what is open, timed out or not, is not committed before somebody says so;
//   - who was told of a newer epoch, or that it is fenced, does not go on with the older one.
// Where requests about one transactional id are under way together and one of them ends something,
// or are lost, nothing is said about its transaction; the next InitProducerId alone clears that.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kafka_exchange.h"

namespace trv::fuzz {

class TransactionsWitness {
 public:
  enum class State : std::uint8_t { open, committed, aborted, unknown };

  void on_said(Exchange& exchange, KafkaFacts& facts);
  void on_answered(const Exchange& exchange, const Value& answer);
  void on_lost(const Exchange& exchange);
  State state(int transaction) const;
  // Whether what was said alone about its transactional id was so until now.
  bool is_clear(const Exchange& exchange) const;
  std::set<int> all(State state) const;

 private:
  struct Id {
    int current = -1;
    int under_way = 0;
    int ending = 0;
    bool muddled = true;  // until the broker has named a producer
    std::uint64_t churn = 0;
  };
  static std::string id_of(const Exchange& exchange);
  static bool ends(const Exchange& exchange);
  void begin(Id& id);
  void muddle(Id& id);
  void on_ended(Id& id, const Exchange& exchange, std::int64_t error);
  void on_named(Id& id, const Exchange& exchange, std::int64_t error);
  void note_epoch(std::int64_t producer_id, std::int64_t epoch);

  std::map<std::string, Id> ids_;
  std::vector<State> states_;
  std::map<std::int64_t, std::int64_t> epochs_;  // that are not fenced: from which on
};

}  // namespace trv::fuzz
