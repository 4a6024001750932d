// queues: listing, declaring, deleting, purging, getting messages.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/listing.h"
#include "admin/policy.h"
#include "admin/routes.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using broker::Operation;
using Subject = broker::Operations::Subject;
using runtime::Task;

// All, as the front-end tells of them and with what policies make of them.
Task<json::array> queues(Context& context) {
  json::array all = co_await context.list(Subject::queues);
  const PolicyView view = co_await policy_view(context);
  for (json::value& queue : all) {
    json::object& object = queue.as_object();
    object["effective_policy_definition"] = effective_definition(*view, object);
  }
  co_return all;
}

Task<Reply> list_queues(Context& context, Request request) {
  if (auto reply = reply_without_list(request)) co_return std::move(*reply);
  co_return listed(request, in_sight(request, co_await queues(context)));
}

Task<Reply> show_queue(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const std::string& name = request.param("name");
  json::array all = co_await queues(context);
  for (json::value& item : all) {
    if (item.at("name").as_string() != name || !in_sight(request, item)) continue;
    json::object queue = std::move(item.get_object());
    json::array details;
    json::array consumers = co_await context.list(Subject::consumers);
    for (json::value& consumer : consumers) {
      const bool is_its = consumer.at("queue").at("name").as_string() == name;
      if (is_its && in_sight(request, consumer)) details.push_back(consumer);
    }
    queue["consumer_details"] = std::move(details);
    co_return shown(request, std::move(queue));
  }
  co_return not_found();
}

Task<Reply> declare_queue(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  if (request.param("name").empty()) co_return bad_request("the queue has no name");
  json::object arguments = std::move(request.body);
  arguments["name"] = request.param("name");
  arguments["vhost"] = request.param("vhost");
  co_return reply_of(
      co_await context.run(Operation::Verb::declare_queue, request.user, std::move(arguments)));
}

Task<Reply> run_on_queue(Context& context, const Request& request, Operation::Verb verb) {
  json::object arguments;
  arguments["name"] = request.param("name");
  arguments["vhost"] = request.param("vhost");
  arguments["if_unused"] = request.query_value("if-unused") == "true";
  arguments["if_empty"] = request.query_value("if-empty") == "true";
  co_return reply_of(co_await context.run(verb, request.user, std::move(arguments)));
}

Task<Reply> delete_queue(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  co_return co_await run_on_queue(context, request, Operation::Verb::delete_queue);
}

Task<Reply> purge_queue(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  co_return co_await run_on_queue(context, request, Operation::Verb::purge_queue);
}

// Mirrors, which these actions are about, do not exist.
Task<Reply> act_on_queue(Context&, Request request) {
  if (!known_vhost(request)) co_return not_found();
  co_return bad_request("action not implemented: " + text_of(request.body, "action"));
}

Task<Reply> get_messages(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const std::string missing = missing_keys(request.body, {"count", "ackmode", "encoding"});
  if (!missing.empty()) co_return bad_request(missing);
  json::object arguments = std::move(request.body);
  // Some clients send numbers as text.
  for (const char* name : {"count", "truncate"}) {
    json::value* value = arguments.if_contains(name);
    if (value && value->is_string()) *value = std::atoll(value->get_string().c_str());
    if (value && !value->is_int64()) co_return bad_request(std::string(name) + " is no number");
  }
  arguments["name"] = request.param("name");
  arguments["vhost"] = request.param("vhost");
  broker::OperationResult result =
      co_await context.run(Operation::Verb::take, request.user, std::move(arguments));
  Reply done = ok(result.value);
  co_return reply_of(result, std::move(done), created());
}

constexpr Route table[] = {
    {"GET", "/queues", Rank::management, list_queues},
    {"GET", "/queues/detailed", Rank::management, list_queues},
    {"GET", "/queues/{vhost}", Rank::management, list_queues},
    {"GET", "/queues/{vhost}/{name}", Rank::management, show_queue},
    {"PUT", "/queues/{vhost}/{name}", Rank::management, declare_queue},
    {"DELETE", "/queues/{vhost}/{name}", Rank::management, delete_queue},
    {"DELETE", "/queues/{vhost}/{name}/contents", Rank::management, purge_queue},
    {"POST", "/queues/{vhost}/{name}/actions", Rank::management, act_on_queue},
    {"POST", "/queues/{vhost}/{name}/get", Rank::management, get_messages},
};

}  // namespace

std::span<const Route> queue_routes() { return table; }

}  // namespace trv::admin
