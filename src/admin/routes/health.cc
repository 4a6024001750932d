// Probes: whether the broker lives, listens and takes messages.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/routes.h"
#include "broker/broker.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using broker::Operation;
using broker::OperationResult;
using runtime::Task;

constexpr std::string_view test_queue = "aliveness-test";

Reply healthy() { return ok(json::object{{"status", "ok"}}); }

Reply failed(json::object facts, std::string_view reason) {
  facts["status"] = "failed";
  facts["reason"] = reason;
  Reply reply = ok(facts);
  reply.status = 503;
  return reply;
}

// That the core answers says that it runs.
Task<Reply> answers(Context& context, Request) {
  co_await context.ask<bool>(
      [](broker::Broker&, UniqueFunction<void(bool)> answer) { answer(true); });
  co_return healthy();
}

Task<Reply> alarms(Context& context, Request) {
  const bool full =
      co_await context.ask<bool>([](broker::Broker& home, UniqueFunction<void(bool)> answer) {
        answer(home.short_of_space());
      });
  if (!full) co_return healthy();
  json::array active;
  active.push_back({{"node", context.facts().node}, {"resource", "disk"}});
  json::object facts;
  facts["alarms"] = std::move(active);
  co_return failed(std::move(facts), "resource alarm(s) in effect");
}

Task<Reply> port_listener(Context& context, Request request) {
  json::array ports;
  for (const ListeningPort& one : context.facts().ports) {
    if (std::to_string(one.port) == request.param("port")) {
      co_return ok(json::object{{"status", "ok"}, {"port", one.port}});
    }
    ports.push_back(one.port);
  }
  json::object facts;
  facts["missing"] = request.param("port");
  facts["ports"] = std::move(ports);
  co_return failed(std::move(facts), "No active listener");
}

Task<Reply> protocol_listener(Context& context, Request request) {
  std::string wanted = request.param("protocol");
  if (wanted == "amqp091" || wanted == "amqp0.9.1" || wanted == "amqp0-9-1") wanted = "amqp";
  json::array protocols;
  for (const ListeningPort& one : context.facts().ports) {
    if (one.protocol == wanted) {
      co_return ok(json::object{{"status", "ok"}, {"protocol", request.param("protocol")}});
    }
    protocols.push_back(json::string(one.protocol));
  }
  json::object facts;
  facts["missing"] = request.param("protocol");
  facts["protocols"] = std::move(protocols);
  co_return failed(std::move(facts), "No active listener");
}

// A message through a queue and back.
Task<Reply> aliveness(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::object queue;
  queue["name"] = test_queue;
  queue["vhost"] = request.param("vhost");
  OperationResult result =
      co_await context.run(Operation::Verb::declare_queue, request.user, queue);
  const auto went_well = [&result] {
    return result.kind == OperationResult::Kind::done ||
           result.kind == OperationResult::Kind::created;
  };
  if (!went_well()) co_return reply_of(result);
  json::object message;
  message["name"] = "";
  message["vhost"] = request.param("vhost");
  message["key"] = test_queue;
  message["payload"] = "test_message";
  message["payload_encoding"] = "string";
  result = co_await context.run(Operation::Verb::publish, request.user, message);
  if (!went_well()) co_return reply_of(result);
  queue["count"] = 1;
  queue["ackmode"] = "ack_requeue_false";
  queue["encoding"] = "auto";
  result = co_await context.run(Operation::Verb::take, request.user, queue);
  if (!went_well()) co_return reply_of(result);
  if (result.value.as_array().empty()) co_return failed({}, "the message did not come back");
  co_return healthy();
}

constexpr Route table[] = {
    {"GET", "/aliveness-test/{vhost}", Rank::management, aliveness},
    {"GET", "/healthchecks/node", Rank::management, answers},
    {"GET", "/health/checks/alarms", Rank::management, alarms},
    {"GET", "/health/checks/local-alarms", Rank::management, alarms},
    {"GET", "/health/checks/virtual-hosts", Rank::management, answers},
    {"GET", "/health/checks/node-is-quorum-critical", Rank::management, answers},
    {"GET", "/health/checks/node-is-mirror-sync-critical", Rank::management, answers},
    {"GET", "/health/checks/is-in-service", Rank::management, answers},
    {"GET", "/health/checks/ready-to-serve-clients", Rank::management, answers},
    {"GET", "/health/checks/certificate-expiration/{within}/{unit}", Rank::management, answers},
    {"GET", "/health/checks/port-listener/{port}", Rank::management, port_listener},
    {"GET", "/health/checks/protocol-listener/{protocol}", Rank::management, protocol_listener},
};

}  // namespace

std::span<const Route> health_routes() { return table; }

}  // namespace trv::admin
