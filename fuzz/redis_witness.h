// RedisWitness: hears both sides of one Redis connection and holds the server to what the protocol
// promises, whatever the client asks.
//
//   - what the server says follows the grammar of RESP2 and RESP3, whole values only;
//   - each request has one reply, in the order of the requests; subscriptions one for each name;
//   - what comes besides is a push, a message to who has subscribed, or a line to who monitors;
//   - EXEC answers with as many values as were queued;
//   - only a command that blocks is still to be answered when nothing happens any more.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace trv::fuzz {

// A value that the server said, as far as somebody looks at it.
struct Reply {
  char kind = 0;  // its first octet
  std::int64_t number = 0;
  std::string text;
  std::vector<Reply> items;  // of a map: keys and values in turn
};
// Takes one value from the front of `bytes`. False when it is not whole. Asserts the grammar.
bool take_reply(ByteView& bytes, Reply& out);

class RedisWitness {
 public:
  struct Asked {
    std::string command;            // its full name
    std::size_t confirmations = 0;  // of a change of subscriptions
    bool of_all = false;            // of those that there are
    bool blocking = false;
  };
  void hear_client(Asked asked);
  // The client has said something of which it is not known what it asks.
  void hear_gibberish() { knows_ = false; }
  void hear_server(ByteView bytes);
  void hear_end();
  void check_settled() const;
  bool waits() const { return knows_ && !asked_.empty() && !asked_.front().blocking; }
  // A transaction is being queued, as far as what was asked says.
  bool queueing() const { return queueing_; }

 private:
  void on_reply(const Reply& reply);
  // Whether it answers nothing.
  bool is_aside(const Reply& reply) const;
  bool take_confirmation(const Reply& reply);

  bool knows_ = true;
  bool ended_ = false;
  bool queueing_ = false;
  bool has_subscribed_ = false;
  bool has_monitored_ = false;
  std::string left_all_;  // the last request left all subscriptions of this kind
  std::int64_t queued_ = 0;
  std::deque<Asked> asked_;
  std::string bytes_;  // not whole yet
};

}  // namespace trv::fuzz
