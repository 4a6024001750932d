// bindings: listing them from either end, making and removing them.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/listing.h"
#include "admin/routes.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using broker::Operation;
using Subject = broker::Operations::Subject;
using runtime::Task;

// Members of a binding and the values that are wanted. The virtual host is always one of them.
using Members = std::vector<std::pair<std::string, std::string>>;

Task<json::array> bindings_with(Context& context, Members members) {
  json::array all = co_await context.list(Subject::bindings);
  json::array some;
  for (json::value& item : all) {
    bool fits = true;
    for (const auto& [name, value] : members) {
      fits = fits && item.at(name).as_string() == value;
    }
    if (fits) some.push_back(std::move(item));
  }
  co_return some;
}

Reply listed_bindings(const Request& request, json::array bindings) {
  for (json::value& item : bindings) {
    item.get_object().erase("table");
    item.get_object().erase("durable");
  }
  return listed(request, std::move(bindings));
}

Task<Reply> list_bindings(Context& context, Request request) {
  if (auto reply = reply_without_list(request)) co_return std::move(*reply);
  co_return listed_bindings(request, in_sight(request, co_await context.list(Subject::bindings)));
}

Task<Reply> of_source(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = {{"vhost", request.param("vhost")}, {"source", exchange_name(request, "name")}};
  co_return listed_bindings(request, co_await bindings_with(context, std::move(members)));
}

Task<Reply> of_exchange(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = {{"vhost", request.param("vhost")},
                     {"destination", exchange_name(request, "name")},
                     {"destination_type", "exchange"}};
  co_return listed_bindings(request, co_await bindings_with(context, std::move(members)));
}

Task<Reply> of_queue(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = {{"vhost", request.param("vhost")},
                     {"destination", request.param("name")},
                     {"destination_type", "queue"}};
  co_return listed_bindings(request, co_await bindings_with(context, std::move(members)));
}

Members between(const Request& request, bool to_exchange) {
  return {{"vhost", request.param("vhost")},
          {"source", exchange_name(request, "source")},
          {"destination", request.param("target")},
          {"destination_type", to_exchange ? "exchange" : "queue"}};
}

template <bool to_exchange>
Task<Reply> list_between(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = between(request, to_exchange);
  co_return listed_bindings(request, co_await bindings_with(context, std::move(members)));
}

template <bool to_exchange>
Task<Reply> show_one(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = between(request, to_exchange);
  members.emplace_back("properties_key", request.param("props"));
  json::array found = co_await bindings_with(context, std::move(members));
  if (found.empty()) co_return not_found();
  json::object binding = std::move(found.front().get_object());
  binding.erase("table");
  binding.erase("durable");
  co_return shown(request, std::move(binding));
}

json::object operands(const Request& request, bool to_exchange) {
  json::object arguments;
  arguments["vhost"] = request.param("vhost");
  arguments["source"] = exchange_name(request, "source");
  arguments["target"] = request.param("target");
  arguments["to_exchange"] = to_exchange;
  return arguments;
}

// A segment of a path.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

template <bool to_exchange>
Task<Reply> bind(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::object arguments = operands(request, to_exchange);
  const std::string key = text_of(request.body, "routing_key");
  arguments["key"] = key;
  json::value given = json::object();
  if (const json::value* table = request.body.if_contains("arguments")) given = *table;
  if (given.is_array() && given.get_array().empty()) given = json::object();
  arguments["arguments"] = given;
  auto result = co_await context.run(Operation::Verb::bind, request.user, std::move(arguments));
  Reply done = created();
  if (result.kind == broker::OperationResult::Kind::done) {
    // The new one tells its own place.
    Members members = between(request, to_exchange);
    members.emplace_back("routing_key", key);
    const json::array found = co_await bindings_with(context, std::move(members));
    for (const json::value& item : found) {
      if (item.at("arguments") != given) continue;
      done.headers.emplace_back(
          "location", fmt::format("../../../../{}/e/{}/{}/{}/{}", quoted(request.param("vhost")),
                                  quoted(request.param("source")), to_exchange ? "e" : "q",
                                  quoted(request.param("target")),
                                  quoted(std::string_view(item.at("properties_key").as_string()))));
      break;
    }
  }
  co_return reply_of(result, done, done);
}

template <bool to_exchange>
Task<Reply> unbind(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  Members members = between(request, to_exchange);
  members.emplace_back("properties_key", request.param("props"));
  const json::array found = co_await bindings_with(context, std::move(members));
  if (found.empty()) co_return not_found();
  json::object arguments = operands(request, to_exchange);
  const json::object& binding = found.front().get_object();
  arguments["key"] = binding.at("routing_key");
  if (const json::value* table = binding.if_contains("table")) arguments["table"] = *table;
  co_return reply_of(
      co_await context.run(Operation::Verb::unbind, request.user, std::move(arguments)));
}

constexpr Route table[] = {
    {"GET", "/bindings", Rank::management, list_bindings},
    {"GET", "/bindings/{vhost}", Rank::management, list_bindings},
    {"GET", "/exchanges/{vhost}/{name}/bindings/source", Rank::management, of_source},
    {"GET", "/exchanges/{vhost}/{name}/bindings/destination", Rank::management, of_exchange},
    {"GET", "/queues/{vhost}/{name}/bindings", Rank::management, of_queue},
    {"GET", "/bindings/{vhost}/e/{source}/q/{target}", Rank::management, list_between<false>},
    {"GET", "/bindings/{vhost}/e/{source}/e/{target}", Rank::management, list_between<true>},
    {"POST", "/bindings/{vhost}/e/{source}/q/{target}", Rank::management, bind<false>},
    {"POST", "/bindings/{vhost}/e/{source}/e/{target}", Rank::management, bind<true>},
    {"GET", "/bindings/{vhost}/e/{source}/q/{target}/{props}", Rank::management, show_one<false>},
    {"GET", "/bindings/{vhost}/e/{source}/e/{target}/{props}", Rank::management, show_one<true>},
    {"DELETE", "/bindings/{vhost}/e/{source}/q/{target}/{props}", Rank::management, unbind<false>},
    {"DELETE", "/bindings/{vhost}/e/{source}/e/{target}/{props}", Rank::management, unbind<true>},
};

}  // namespace

std::span<const Route> binding_routes() { return table; }

}  // namespace trv::admin
