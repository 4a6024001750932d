// KafkaPeer: one client of kafka_session_fuzz.cc with its session: requests wait until the session
// takes them, as they do in a connection, and answers are heard as they come.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "kafka/session.h"
#include "kafka_program.h"
#include "kafka_witness.h"

namespace trv::fuzz {

class KafkaPeer {
 public:
  KafkaPeer(kafka::Service& service, ConnectionId id, std::size_t index, KafkaFacts& facts,
            KafkaWitness& witness);
  ~KafkaPeer();
  KafkaPeer(const KafkaPeer&) = delete;
  KafkaPeer& operator=(const KafkaPeer&) = delete;

  void ask(Asked asked);
  // A frame of which it is not known what it asks.
  void ask_gibberish(std::string frame);
  // On the core's thread. Result: whether anything happened.
  bool run();
  // The answer to the oldest request is to come, whatever else happens.
  bool is_due() const;
  bool waits() const { return !asked_.empty() && !gibberish_ && !ended_; }
  bool ended() const { return ended_; }

 private:
  struct Frame {
    Exchange exchange;
    std::string bytes;
    bool gibberish = false;
  };
  void say(Frame frame);
  void say_gibberish(const std::string& bytes);
  void hear(const std::string& answer);

  std::size_t index_;
  KafkaFacts& facts_;
  KafkaWitness& witness_;
  std::deque<Frame> frames_;
  std::deque<Exchange> asked_;
  bool gibberish_ = false;  // answers cannot be told apart any more
  bool may_end_ = false;
  bool ended_ = false;
  bool moved_ = false;
  std::int32_t last_correlation_ = 0;
  std::unique_ptr<kafka::Session> session_;
};

}  // namespace trv::fuzz
