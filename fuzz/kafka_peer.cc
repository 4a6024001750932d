#include "kafka_peer.h"

#include <utility>

#include "base/assert.h"
#include "kafka/wire/codec_test_support.h"

namespace trv::fuzz {

namespace {

enum Key : std::int16_t {
  produce = 0,
  fetch = 1,
  join_group = 11,
  sync_group = 14,
  sasl_handshake = 17,
  describe_acls = 29,
  delete_acls = 31,
  sasl_authenticate = 36,
  share_fetch = 78
};

// Who wants no answer is told of an error in no other way, and logins have their own rules. What
// is unknown in an entry of an ACL, the whole request does not parse.
bool may_end(std::int16_t key) {
  const bool of_acls = key >= describe_acls && key <= delete_acls;
  return of_acls || key == sasl_handshake || key == sasl_authenticate;
}

}  // namespace

KafkaPeer::KafkaPeer(kafka::Service& service, ConnectionId id, std::size_t index, KafkaFacts& facts,
                     KafkaWitness& witness)
    : index_(index), facts_(facts), witness_(witness) {
  session_ = std::make_unique<kafka::Session>(
      service, id, kafka::Session::Peer{"/127.0.0.1", "here", 9092},
      [this](const kafka::wire::EncodedMessage& message) { hear(flat(message)); },
      [this] { moved_ = true; });
}

KafkaPeer::~KafkaPeer() {
  session_.reset();
  for (const Exchange& exchange : std::exchange(asked_, {})) witness_.on_lost(exchange);
  witness_.groups.on_peer_left(index_);
}

void KafkaPeer::ask(Asked asked) {
  Frame frame;
  frame.exchange.api = asked.api;
  frame.exchange.version = asked.version;
  frame.exchange.peer = index_;
  frame.exchange.correlation = ++last_correlation_;
  frame.exchange.request = std::move(asked.request);
  frame.bytes =
      encode_request(*asked.api, asked.version, last_correlation_, frame.exchange.request);
  frames_.push_back(std::move(frame));
}

void KafkaPeer::ask_gibberish(std::string bytes) {
  Frame frame;
  frame.bytes = std::move(bytes);
  frame.gibberish = true;
  frames_.push_back(std::move(frame));
}

bool KafkaPeer::run() {
  while (!frames_.empty() && !ended_ && !session_->full() &&
         !session_->must_wait_for(frames_.front().bytes)) {
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    moved_ = true;
    if (frame.gibberish) {
      say_gibberish(frame.bytes);
    } else {
      say(std::move(frame));
    }
    // As with a connection, nothing is said to one that has ended.
    ended_ = ended_ || session_->ended();
  }
  ended_ = ended_ || session_->ended();
  if (ended_) TRV_ASSERT(may_end_ || gibberish_);
  return std::exchange(moved_, false);
}

void KafkaPeer::say(Frame frame) {
  const std::int16_t key = frame.exchange.api->key;
  const bool answered = wants_answer(frame.exchange);
  may_end_ = may_end_ || !answered || may_end(key);
  witness_.on_said(frame.exchange);
  if (answered) {
    asked_.push_back(std::move(frame.exchange));
  } else {
    witness_.on_lost(frame.exchange);
  }
  if (!session_->on_frame(frame.bytes)) {
    ended_ = true;
    TRV_ASSERT(may_end_ || gibberish_);
  }
}

void KafkaPeer::say_gibberish(const std::string& bytes) {
  gibberish_ = true;
  if (session_->on_frame(bytes)) {
    witness_.on_gibberish();
  } else {
    ended_ = true;
  }
}

void KafkaPeer::hear(const std::string& answer) {
  moved_ = true;
  if (gibberish_) return;
  TRV_ASSERT(!asked_.empty());
  const Exchange exchange = std::move(asked_.front());
  asked_.pop_front();
  const Value value = read_answer(exchange, answer);
  witness_.on_answered(exchange, value);
  learn(facts_, exchange, value);
}

bool KafkaPeer::is_due() const {
  if (asked_.empty() || gibberish_ || ended_) return false;
  const std::int16_t key = asked_.front().api->key;
  return key != fetch && key != join_group && key != sync_group && key != share_fetch;
}

}  // namespace trv::fuzz
