#include "kafka/listener.h"

#include <unordered_map>

#include "kafka/connection.h"
#include "kafka/state_topics.h"
#include "runtime/stream.h"

namespace trv::kafka {
namespace {

constexpr std::chrono::minutes idle_max(10);
constexpr std::chrono::minutes idle_check_interval(1);
constexpr int connection_core_shift = 48;

}  // namespace

struct Server::State {
  State(runtime::Core& core_in, broker::Broker& broker, Options options)
      : core(core_in), service(broker, std::move(options)) {
    next_connection = static_cast<std::uint64_t>(core.index().value) << connection_core_shift;
  }

  void accept(std::unique_ptr<runtime::Stream> stream) {
    ConnectionId id(++next_connection);
    auto connection =
        std::make_unique<Connection>(service, id, std::move(stream), [this](ConnectionId ended) {
          // Later: the connection's own frames are still on the stack.
          core.post([this, ended] { connections.erase(ended); });
        });
    Connection& started = *connection;
    connections.emplace(id, std::move(connection));
    core.spawn(started.run());
  }

  void close_idle() {
    runtime::SteadyTime since = core.now() - idle_max;
    for (auto& [id, connection] : connections) {
      if (connection->idle_since(since)) connection->close();
    }
    idle_timer = core.schedule(idle_check_interval, [this] { close_idle(); });
  }

  runtime::Core& core;
  Service service;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections;
  std::uint64_t next_connection = 0;
  std::unique_ptr<runtime::Listener> listener;
  runtime::Timer idle_timer;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(runtime::Core& core, broker::Broker& broker,
                                             const Options& options) {
  auto state = std::make_unique<State>(core, broker, options);
  State* raw = state.get();
  auto listener = runtime::Listener::open(
      core, options.bind, options.port, options.shared,
      [raw](std::unique_ptr<runtime::Stream> stream) { raw->accept(std::move(stream)); });
  if (!listener) return listener.error();
  state->listener = std::move(*listener);
  core.post([raw] { raw->service.state_topics().start(); });
  state->idle_timer = core.schedule(idle_check_interval, [raw] { raw->close_idle(); });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::uint16_t Server::port() const { return state_->listener->port(); }

void Server::connect(const std::vector<Server*>&) {}

void Server::stop() {
  state_->listener->close();
  state_->idle_timer.cancel();
  std::vector<Connection*> open;
  open.reserve(state_->connections.size());
  for (auto& [id, connection] : state_->connections) open.push_back(connection.get());
  for (Connection* connection : open) connection->close();
}

}  // namespace trv::kafka
