// KafkaInspector: who looks, when nothing else happens, at everything that clients may see, for the
// witness of kafka_session_fuzz.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kafka/session.h"
#include "kafka_program.h"
#include "kafka_witness.h"

namespace trv::fuzz {

class KafkaInspector {
 public:
  // `settle` lets the broker run until `done` says so.
  using Settle = std::function<void(const std::function<bool()>& done)>;
  KafkaInspector(kafka::Service& service, ConnectionId id, Settle settle);

  // On no core's thread. One answer for each.
  std::vector<Value> ask(std::vector<Asked> requests);
  void look(KafkaFacts& facts, KafkaWitness& witness);
  // These topics go, and the groups that programs name.
  void remove(const KafkaFacts& facts, const std::vector<std::string>& names);

 private:
  std::vector<LogName> find_logs(KafkaFacts& facts);
  std::vector<std::int64_t> find_starts(const std::vector<LogName>& logs);
  void read_logs(const std::vector<LogName>& logs, const std::vector<std::int64_t>& starts,
                 bool committed, std::vector<FoundLog>& found);
  void look_at_logs(KafkaFacts& facts, KafkaWitness& witness);
  void look_at_offsets(const KafkaFacts& facts, KafkaWitness& witness);

  kafka::Service& service_;
  ConnectionId id_;
  Settle settle_;
  std::vector<std::string> answers_;
  std::unique_ptr<kafka::Session> session_;
};

}  // namespace trv::fuzz
