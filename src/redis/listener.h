// Server: the Redis front-end of one core: listens, and owns its connections and the core's
// Service.
//
// Owner: server::Node, one for each core; closed before the core's Broker. It speaks RESP2 and
// RESP3 (README.md lists the commands). Every core listens on the same port; a connection stays on
// the core that accepted it, and its commands run where their keys live.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/core.h"

namespace trv::broker {
class Broker;
}

namespace trv::redis {

struct Options {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 6379;  // 0 picks a free one
  bool shared = false;        // several cores listen on the port
  std::string advertised_host;
  std::string password;                // empty: clients need not log in
  std::uint32_t clients_max = 20'000;  // on this core
  std::string key_events;              // which keyspace notifications there are, in Redis's letters
};

class Server {
 public:
  // Errors: as of runtime::Listener::open.
  static Result<std::unique_ptr<Server>> open(runtime::Core& core, broker::Broker& broker,
                                              const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  // Once, before the cores run: the servers of all cores, in their order, this one included.
  void connect(std::vector<Server*> by_core);
  // Accepts no more and ends all connections; replies that are complete are still sent. On the
  // core's thread, or when it does not run.
  void stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::redis
