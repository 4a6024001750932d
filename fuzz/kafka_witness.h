// KafkaWitness: hears what the clients of kafka_session_fuzz.cc say and what they are answered, and
// holds the broker to it. Of every answer, whatever it is about (KAFKA.md sections 1, 3 and 14):
//
//   - each request that wants an answer gets one, in the order of the requests of its connection,
//     with its correlation id;
//   - it decodes by the schema of its version, and nothing is left over;
//   - its error numbers are those that there are, and never -1, since nothing fails here.
// What its parts are about is for LogsWitness, TransactionsWitness and GroupsWitness.
#pragma once

#include "kafka_groups_witness.h"
#include "kafka_logs_witness.h"

namespace trv::fuzz {

class KafkaWitness {
 public:
  explicit KafkaWitness(KafkaFacts& facts)
      : logs(facts, transactions), groups(facts, transactions), facts_(facts) {}

  void on_said(Exchange& exchange);
  void on_answered(const Exchange& exchange, const Value& answer);
  void on_lost(const Exchange& exchange);
  // Something was said of which it is not known what it does: only the form is judged from then on.
  void on_gibberish() { knows_ = false; }
  bool knows() const { return knows_; }
  std::uint64_t now() const { return now_; }

  TransactionsWitness transactions;
  LogsWitness logs;
  GroupsWitness groups;

 private:
  KafkaFacts& facts_;
  bool knows_ = true;
  std::uint64_t now_ = 0;
};

// Reads the answer and checks what is so of all answers.
Value read_answer(const Exchange& exchange, ByteView answer);
bool wants_answer(const Exchange& exchange);
// What clients learn from an answer.
void learn(KafkaFacts& facts, const Exchange& exchange, const Value& answer);

}  // namespace trv::fuzz
