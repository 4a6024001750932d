#include "kafka_transactions_witness.h"

#include <algorithm>

namespace trv::fuzz {

namespace {

constexpr std::int16_t init_producer_id_key = 22;
constexpr std::int16_t end_txn_key = 26;

constexpr std::int64_t concurrent_transactions = 51;

// It says that nothing was done: 42 request, 47 epoch, 48 state, 49 producer, 50 timeout, 90
// fenced.
bool changes_nothing(std::int64_t error) {
  return error == 42 || (error >= 47 && error <= 50) || error == 90;
}

}  // namespace

std::string TransactionsWitness::id_of(const Exchange& exchange) {
  return exchange.request["transactional_id"].text();
}

bool TransactionsWitness::ends(const Exchange& exchange) {
  return exchange.api->key == init_producer_id_key || exchange.api->key == end_txn_key;
}

void TransactionsWitness::begin(Id& id) {
  id.current = static_cast<int>(states_.size());
  states_.push_back(id.muddled ? State::unknown : State::open);
  ++id.churn;
}

void TransactionsWitness::muddle(Id& id) {
  if (id.current >= 0 && states_[static_cast<std::size_t>(id.current)] == State::open) {
    states_[static_cast<std::size_t>(id.current)] = State::unknown;
  }
  id.muddled = true;
  begin(id);
}

void TransactionsWitness::on_said(Exchange& exchange, KafkaFacts& facts) {
  exchange.aborted_before = all(State::aborted);
  exchange.committed_before = all(State::committed);
  const std::string name = id_of(exchange);
  if (name.empty()) return;
  Id& id = ids_[name];
  const bool alone = id.under_way == 0;
  if (id.current < 0) begin(id);
  if ((!alone && ends(exchange)) || id.ending > 0) muddle(id);
  ++id.under_way;
  if (ends(exchange)) ++id.ending;
  State& state = states_[static_cast<std::size_t>(id.current)];
  exchange.was_open = state == State::open;
  // Until it is known.
  if (ends(exchange)) state = State::unknown;
  exchange.transaction = id.current;
  exchange.transaction_churn = id.churn;
  exchange.epochs = epochs_;
  const Producer* producer = facts.find_producer(name);
  if (!producer) return;
  exchange.named_id = producer->id;
  exchange.named_epoch = producer->epoch;
  const Value& request = exchange.request;
  exchange.by_present_producer = request["producer_id"].number() == producer->id &&
                                 request["producer_epoch"].number() == producer->epoch;
}

void TransactionsWitness::on_answered(const Exchange& exchange, const Value& answer) {
  const std::string name = id_of(exchange);
  if (name.empty()) return;
  Id& id = ids_[name];
  --id.under_way;
  if (!ends(exchange)) return;
  --id.ending;
  const std::int64_t error = answer["error_code"].number();
  if (error == 0 && answer.has("producer_epoch")) {
    note_epoch(answer["producer_id"].number(), answer["producer_epoch"].number());
  }
  if (exchange.api->key == end_txn_key) {
    on_ended(id, exchange, error);
  } else {
    on_named(id, exchange, error);
  }
}

void TransactionsWitness::on_ended(Id& id, const Exchange& exchange, std::int64_t error) {
  if (!is_clear(exchange) || !exchange.was_open) return;
  State& state = states_[static_cast<std::size_t>(id.current)];
  if (changes_nothing(error) || error == concurrent_transactions) {
    state = State::open;
    return;
  }
  // A repetition of an end that was before the present epoch says nothing of what is open now.
  if (error != 0 || !exchange.by_present_producer) return muddle(id);
  const bool committed = exchange.request["committed"].number() != 0;
  state = committed ? State::committed : State::aborted;
  begin(id);
}

void TransactionsWitness::on_named(Id& id, const Exchange& exchange, std::int64_t error) {
  if (!is_clear(exchange)) return;
  State& state = states_[static_cast<std::size_t>(id.current)];
  if (changes_nothing(error)) {
    if (exchange.was_open) state = State::open;
    return;
  }
  if (error != 0 && error != concurrent_transactions) return muddle(id);
  if (exchange.was_open) state = State::aborted;
  // Of the one who went on with the transaction, and is fenced now.
  if (error != 0 && exchange.was_open && exchange.named_id >= 0) {
    note_epoch(exchange.named_id, exchange.named_epoch + 1);
  }
  if (error == 0) id.muddled = false;
  begin(id);
}

void TransactionsWitness::note_epoch(std::int64_t producer_id, std::int64_t epoch) {
  std::int64_t& known = epochs_[producer_id];
  known = std::max(known, epoch);
}

void TransactionsWitness::on_lost(const Exchange& exchange) {
  const std::string name = id_of(exchange);
  if (name.empty()) return;
  Id& id = ids_[name];
  --id.under_way;
  if (ends(exchange)) --id.ending;
  muddle(id);
}

TransactionsWitness::State TransactionsWitness::state(int transaction) const {
  return transaction < 0 ? State::unknown : states_[static_cast<std::size_t>(transaction)];
}

bool TransactionsWitness::is_clear(const Exchange& exchange) const {
  const auto found = ids_.find(id_of(exchange));
  return found != ids_.end() && found->second.churn == exchange.transaction_churn;
}

std::set<int> TransactionsWitness::all(State state) const {
  std::set<int> out;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] == state) out.insert(static_cast<int>(i));
  }
  return out;
}

}  // namespace trv::fuzz
