#include "redis/listener.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "redis/connection.h"
#include "redis/service.h"
#include "runtime/stream.h"

namespace trv::redis {

struct Server::State {
  State(runtime::Core& core_, broker::Broker& broker, ServiceSettings settings)
      : core(core_), service(broker, std::move(settings)) {}

  void accept(std::unique_ptr<runtime::Stream> stream);
  // The connection's whole life.
  runtime::Task<> serve(Connection* connection);

  runtime::Core& core;
  Service service;
  std::unique_ptr<runtime::Listener> listener;
  std::map<Connection*, std::unique_ptr<Connection>> connections;
  bool stopping = false;
};

namespace {

constexpr std::size_t argument_overhead = 4096;  // of a record besides its largest argument

std::string random_hex(std::size_t size) {
  std::random_device random;
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += "0123456789abcdef"[random() % 16];
  return text;
}

ServiceSettings settings_of(const Options& options, const broker::Broker& broker) {
  ServiceSettings settings;
  settings.bind = options.bind;
  settings.password = options.password;
  settings.clients_max = options.clients_max;
  // Refused before, by open().
  settings.key_events = key_event::parse(options.key_events).value_or(0);
  settings.run_id = random_hex(40);
  auto largest = static_cast<std::int64_t>(broker.options().message_size_max);
  settings.bulk_size_max =
      std::max<std::int64_t>(largest - std::int64_t{argument_overhead}, 1 << 16);
  return settings;
}

}  // namespace

void Server::State::accept(std::unique_ptr<runtime::Stream> stream) {
  if (stopping) return stream->abort();
  if (connections.size() >= service.settings().clients_max) {
    ++service.counters().connections_refused;
    stream->write("-" + std::string(text::too_many_clients) + "\r\n");
    stream->close();
    return;
  }
  auto connection = std::make_unique<Connection>(service, std::move(stream));
  Connection* borrowed = connection.get();
  connections.emplace(borrowed, std::move(connection));
  core.spawn(serve(borrowed));
}

runtime::Task<> Server::State::serve(Connection* connection) {
  co_await connection->run();
  connections.erase(connection);
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(runtime::Core& core, broker::Broker& broker,
                                             const Options& options) {
  if (!key_event::parse(options.key_events)) {
    return Error{Errc::invalid_argument, "redis-notify-keyspace-events: unknown letter"};
  }
  auto state = std::make_unique<State>(core, broker, settings_of(options, broker));
  State* borrowed = state.get();
  auto listener = runtime::Listener::open(
      core, options.bind, options.port, options.shared,
      [borrowed](std::unique_ptr<runtime::Stream> stream) { borrowed->accept(std::move(stream)); });
  if (!listener) return listener.error();
  state->listener = std::move(*listener);
  state->service.settings().port = state->listener->port();
  state->service.connect({&state->service});
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::uint16_t Server::port() const { return state_->listener->port(); }

void Server::connect(std::vector<Server*> by_core) {
  std::vector<Service*> services;
  for (Server* server : by_core) services.push_back(&server->state_->service);
  state_->service.connect(std::move(services));
}

void Server::stop() {
  if (std::exchange(state_->stopping, true)) return;
  state_->listener->close();
  for (auto& [borrowed, connection] : state_->connections) borrowed->kill(true);
}

}  // namespace trv::redis
