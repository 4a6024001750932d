// Server: the HTTP API, on a core of its own that owns no data: slow requests disturb nobody.
//
// Owner: server::Node. Order: open() before the core runs; stop() on its core, before the other
// cores stop; destroyed when no core runs any more.
//
// Limits: connections_max at once, body_size_max of a request, and body_size_free of one whose head
// tells no login; a connection that says nothing, or
// takes nothing, for idle_time_max is closed.
#pragma once

#include <memory>
#include <string>

#include "admin/context.h"
#include "base/result.h"

namespace trv::admin {

struct Options {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 15672;
  bool loopback_only = true;  // for the user that is there from the first
  std::size_t connections_max = 256;
  std::size_t body_size_max = 64u << 20;
  // Who is not known may make us hold so much: with all connections 16 MiB.
  std::size_t body_size_free = 64u << 10;
};

class Server {
 public:
  // Errors: those of runtime::Listener::open.
  static Result<std::unique_ptr<Server>> open(runtime::Core& core, broker::Broker& home,
                                              broker::Operations& operations,
                                              const Options& options, Facts facts);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  void stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::admin
