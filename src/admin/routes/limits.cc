// vhost-limits and user-limits.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/access.h"
#include "admin/limits.h"
#include "admin/listing.h"
#include "admin/routes.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using auth::LimitScope;
using runtime::Task;

// Those of one name only, where the path names one.
json::array selected(json::array all, const Request& request, const char* noun) {
  if (!request.params.contains(noun)) return all;
  json::array some;
  for (json::value& item : all) {
    if (item.at(noun).as_string() == request.param(noun)) some.push_back(std::move(item));
  }
  return some;
}

Task<Reply> list_vhost_limits(Context& context, Request request) {
  if (request.params.contains("vhost") && !known_vhost(request)) co_return not_found();
  const AccessView view = co_await access_view(context);
  co_return listed(request, in_sight(request, limits_to_json(*view, LimitScope::vhost)));
}

Task<Reply> list_user_limits(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  if (request.params.contains("user") && !view->find(request.param("user"))) co_return not_found();
  co_return listed(request, selected(limits_to_json(*view, LimitScope::user), request, "user"));
}

// What limits bear on: a user, or the virtual host.
template <LimitScope scope>
std::string bearer(const Request& request) {
  return request.param(scope == LimitScope::user ? "user" : "vhost");
}

template <LimitScope scope>
Task<bool> bearer_exists(Context& context, const Request& request) {
  if (scope == LimitScope::vhost) co_return known_vhost(request);
  const AccessView view = co_await access_view(context);
  co_return view->find(bearer<scope>(request)) != nullptr;
}

Task<Reply> carry_out(Context& context, auth::Command command) {
  const auto any = [](const auth::Directory&) { return true; };
  const Changed changed = co_await change_access(context, std::move(command), any, false);
  co_return reply_of(changed, false);
}

template <LimitScope scope>
Task<Reply> set_limit(Context& context, Request request) {
  if (!co_await bearer_exists<scope>(context, request)) {
    co_return scope == LimitScope::user ? bad_request("no_such_user")
                                        : failure(404, "not_found", "vhost_not_found");
  }
  const json::value* value = request.body.if_contains("value");
  if (!value) co_return bad_request(missing_keys(request.body, {"value"}));
  auto command = limit_from_json(scope, bearer<scope>(request), request.param("name"), *value);
  if (!command) co_return bad_request(command.error().message);
  co_return co_await carry_out(context, std::move(*command));
}

// What is limited by no such name is not limited any more, either.
template <LimitScope scope>
Task<Reply> clear_limit(Context& context, Request request) {
  if (!co_await bearer_exists<scope>(context, request)) co_return not_found();
  const auto limit = limit_named(scope, request.param("name"));
  const bool all = scope == LimitScope::user && request.param("name") == "all";
  if (!limit && !all) co_return no_content();
  auth::Command command = auth::ClearLimit{scope, bearer<scope>(request), limit};
  co_return co_await carry_out(context, std::move(command));
}

constexpr LimitScope users = LimitScope::user;
constexpr LimitScope vhosts = LimitScope::vhost;
constexpr Rank admin = Rank::administrator;
constexpr Route table[] = {
    {"GET", "/vhost-limits", Rank::management, list_vhost_limits},
    {"GET", "/vhost-limits/{vhost}", Rank::management, list_vhost_limits},
    {"PUT", "/vhost-limits/{vhost}/{name}", admin, set_limit<vhosts>},
    {"DELETE", "/vhost-limits/{vhost}/{name}", admin, clear_limit<vhosts>},
    {"GET", "/user-limits", Rank::management, list_user_limits},
    {"GET", "/user-limits/{user}", Rank::management, list_user_limits},
    {"PUT", "/user-limits/{user}/{name}", admin, set_limit<users>},
    {"DELETE", "/user-limits/{user}/{name}", admin, clear_limit<users>},
};

}  // namespace

std::span<const Route> limit_routes() { return table; }

}  // namespace trv::admin
