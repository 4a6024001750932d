#include "amqp/listener.h"

#include <unordered_map>

#include "amqp/census.h"
#include "amqp/connection.h"
#include "amqp/management/management.h"
#include "amqp/reader.h"
#include "amqp/stream_queue.h"
#include "base/log.h"
#include "broker/topics.h"
#include "runtime/stream.h"

namespace trv::amqp {

struct Server::State {
  State(runtime::Core& the_core, broker::Broker& broker, const Options& the_options)
      : core(the_core),
        options(the_options),
        readers(broker),
        census(broker),
        services{broker, sessions, {&readers}, {&sessions}, &census} {
    session_options.loopback_only = options.loopback_only;
    session_options.version = options.version;
  }

  void on_accept(std::unique_ptr<runtime::Stream> stream) {
    if (stopping || connections.size() >= options.connections_max) {
      if (!stopping) log::warn("amqp: {} connections are open; refusing one", connections.size());
      stream->abort();
      return;
    }
    // Unique over all cores, and in this process life.
    const ConnectionId id((std::uint64_t{core.index().value} << 48) | ++last_id);
    auto connection =
        std::make_unique<Connection>(std::move(stream), services, id, session_options);
    Connection& running = *connection;
    connections[id] = std::move(connection);
    core.spawn(serve(running, id));
  }

  runtime::Task<> serve(Connection& connection, ConnectionId id) {
    co_await connection.run();
    connections.erase(id);
  }

  runtime::Core& core;
  const Options options;
  SessionOptions session_options;
  Sessions sessions;
  StreamReaders readers;
  Census census;  // the first core's is that of all
  Services services;
  std::unique_ptr<runtime::Listener> listener;
  std::uint64_t last_id = 0;
  bool stopping = false;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections;
  std::unique_ptr<Management> management;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(runtime::Core& core, broker::Broker& broker,
                                             const Options& options) {
  auto state = std::make_unique<State>(core, broker, options);
  auto listener =
      runtime::Listener::open(core, options.bind, options.port, options.shared,
                              [s = state.get()](std::unique_ptr<runtime::Stream> stream) {
                                s->on_accept(std::move(stream));
                              });
  if (!listener) return listener.error();
  state->listener = std::move(*listener);
  govern_streams(broker.topics());
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::uint16_t Server::port() const { return state_->listener->port(); }

void Server::connect(const std::vector<Server*>& by_core) {
  state_->services.readers.clear();
  state_->services.all_sessions.clear();
  state_->services.all_traffic.clear();
  for (Server* server : by_core) {
    state_->services.readers.push_back(&server->state_->readers);
    state_->services.all_sessions.push_back(&server->state_->sessions);
    state_->services.all_traffic.push_back(&server->state_->services.traffic);
  }
  state_->services.census = &by_core.front()->state_->census;
}

broker::Operations& Server::operations() {
  State& state = *state_;
  if (!state.management) {
    state.management = std::make_unique<Management>(state.services, state.session_options);
  }
  return *state.management;
}

void Server::stop() {
  state_->stopping = true;
  if (state_->management) state_->management->stop();
  state_->listener->close();
  for (const auto& [id, connection] : state_->connections) connection->shut_down();
  state_->readers.stop();
}

std::size_t Server::connection_count() const { return state_->connections.size(); }

}  // namespace trv::amqp
