// exchanges: listing, declaring, deleting, publishing.
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

Task<Reply> list_exchanges(Context& context, Request request) {
  if (auto reply = reply_without_list(request)) co_return std::move(*reply);
  co_return listed(request, in_sight(request, co_await context.list(Subject::exchanges)));
}

Task<Reply> show_exchange(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::array all = co_await context.list(Subject::exchanges);
  for (json::value& item : all) {
    if (item.at("name").as_string() == exchange_name(request, "name") && in_sight(request, item)) {
      co_return shown(request, std::move(item.get_object()));
    }
  }
  co_return not_found();
}

Task<Reply> declare_exchange(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::object arguments = std::move(request.body);
  arguments["name"] = exchange_name(request, "name");
  arguments["vhost"] = request.param("vhost");
  co_return reply_of(
      co_await context.run(Operation::Verb::declare_exchange, request.user, std::move(arguments)));
}

Task<Reply> delete_exchange(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::object arguments;
  arguments["name"] = exchange_name(request, "name");
  arguments["vhost"] = request.param("vhost");
  arguments["if_unused"] = request.query_value("if-unused") == "true";
  co_return reply_of(
      co_await context.run(Operation::Verb::delete_exchange, request.user, std::move(arguments)));
}

Task<Reply> publish(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const std::string missing =
      missing_keys(request.body, {"routing_key", "properties", "payload", "payload_encoding"});
  if (!missing.empty()) co_return bad_request(missing);
  json::object arguments = std::move(request.body);
  arguments["name"] = exchange_name(request, "name");
  arguments["vhost"] = request.param("vhost");
  arguments["key"] = text_of(arguments, "routing_key");
  broker::OperationResult result =
      co_await context.run(Operation::Verb::publish, request.user, std::move(arguments));
  Reply done = ok(result.value);
  co_return reply_of(result, std::move(done), created());
}

constexpr Route table[] = {
    {"GET", "/exchanges", Rank::management, list_exchanges},
    {"GET", "/exchanges/{vhost}", Rank::management, list_exchanges},
    {"GET", "/exchanges/{vhost}/{name}", Rank::management, show_exchange},
    {"PUT", "/exchanges/{vhost}/{name}", Rank::management, declare_exchange},
    {"DELETE", "/exchanges/{vhost}/{name}", Rank::management, delete_exchange},
    {"POST", "/exchanges/{vhost}/{name}/publish", Rank::management, publish},
};

}  // namespace

std::span<const Route> exchange_routes() { return table; }

}  // namespace trv::admin
