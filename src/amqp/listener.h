// Server: AMQP 0-9-1 on one core: accepts connections and owns them.
//
// Owner: server::Node, one per core. Order: open all, connect() each with all of them, run the
// cores, stop() each on its core before the Broker stops.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/broker.h"
#include "broker/operations.h"
#include "runtime/core.h"

namespace trv::amqp {

struct Options {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 5672;
  bool shared = false;                    // several cores listen on the port
  bool loopback_only = true;              // for the user that is there from the first
  std::string version;                    // of the product, as shown to clients
  std::uint32_t connections_max = 10000;  // of one core
};

class Server {
 public:
  // Errors: those of runtime::Listener::open.
  static Result<std::unique_ptr<Server>> open(runtime::Core& core, broker::Broker& broker,
                                              const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  // Once, before the cores run: the servers of all cores, by core.
  void connect(const std::vector<Server*>& by_core);
  // After connect(), of the first core's: what its operator may ask. Lives as long as the Server.
  broker::Operations& operations();
  // Accepts no more, tells clients that the broker goes, and closes. On the server's core.
  void stop();
  std::size_t connection_count() const;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::amqp
