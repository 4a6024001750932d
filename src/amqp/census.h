// Census: which connections and channels there are over all cores, for as long as somebody limits
// them, and the turns of those who count something else over all cores before they add to it.
//
// Owner: the Server of the first core; only that core uses it. Sessions of other cores send it
// messages, which arrive in the order in which a session sent them.
//
// Invariants:
//   - a connection is here from when it was let in until it leaves, and so are its channels;
//   - what is let in never exceeds the limits that this core knew at that moment. Lowering a limit
//     ends nobody.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "amqp/errors.h"
#include "base/function.h"
#include "base/ids.h"
#include "broker/broker.h"

namespace trv::amqp {

class Census {
 public:
  explicit Census(broker::Broker& broker) : broker_(broker) {}
  Census(const Census&) = delete;
  Census& operator=(const Census&) = delete;

  CoreIndex home() const { return broker_.core().index(); }

  // Lets a connection in, or says why not; then it is not here.
  std::optional<Failure> enter(ConnectionId id, const std::string& user, const std::string& vhost);
  // Of what is not here nothing changes.
  void leave(ConnectionId id);
  // The same of one channel of a connection; `limited`: it may be refused.
  std::optional<Failure> open_channel(ConnectionId id, bool limited);
  void close_channel(ConnectionId id);

  // Runs `begin`, at once or when those who came before have ended their turns. Whoever begins
  // calls end_turn().
  void take_turn(UniqueFunction<void()> begin);
  void end_turn();

 private:
  struct Usage {
    std::uint64_t connections = 0;
    std::uint64_t channels = 0;
  };
  using Users = std::map<std::string, Usage>;
  using Vhosts = std::map<std::string, std::uint64_t>;  // connections
  struct Entry {
    Users::iterator user;
    Vhosts::iterator vhost;
    std::uint64_t channels = 0;
  };

  broker::Broker& broker_;
  Users users_;    // those who have connections
  Vhosts vhosts_;  // those into which there are some
  std::unordered_map<ConnectionId, Entry> connections_;
  std::deque<UniqueFunction<void()>> turns_;
  bool turn_taken_ = false;
};

}  // namespace trv::amqp
