// Server: the Kafka front-end of one core: its listening socket and its connections.
//
// Owner: server::Node, one per core; destroyed after the core has stopped. open(), connect() and
// stop() are called on the core's thread or before it runs.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "kafka/service.h"
#include "runtime/core.h"

namespace trv::kafka {

class Server {
 public:
  // Errors: in_use (the port is taken), access_refused, invalid_argument (bad address).
  static Result<std::unique_ptr<Server>> open(runtime::Core& core, broker::Broker& broker,
                                              const Options& options);
  ~Server();
  std::uint16_t port() const;
  // The servers of all cores, by index. Not needed here: an answer finds its way back by the core
  // of its connection.
  void connect(const std::vector<Server*>& by_core);
  // Stops accepting and closes every connection; what was answered is still sent.
  void stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::kafka
