// whoami, users, permissions and topic-permissions.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/access.h"
#include "admin/listing.h"
#include "admin/routes.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using runtime::Task;

Task<Reply> whoami(Context&, Request request) {
  json::array tags;
  for (const std::string& tag : request.tags) tags.push_back(json::string(tag));
  co_return ok(json::object{{"name", request.user}, {"tags", std::move(tags)}});
}

Task<Reply> list_users(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  co_return listed(request, users_to_json(*view));
}

Task<Reply> list_powerless(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  json::array users;
  for (const auto& [name, user] : view->users()) {
    const auto found = view->all_rights().find(name);
    const bool has_some = found != view->all_rights().end() &&
                          std::any_of(found->second.begin(), found->second.end(),
                                      [](const auto& there) { return there.second.granted; });
    if (!has_some) users.push_back(user_to_json(*view, *user));
  }
  co_return listed(request, std::move(users));
}

Task<Reply> show_user(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  const auth::User* user = view->find(request.param("user"));
  if (!user) co_return not_found();
  co_return shown(request, user_to_json(*view, *user));
}

std::function<bool(const auth::Directory&)> user_exists(const std::string& name) {
  return [name](const auth::Directory& directory) { return directory.find(name) != nullptr; };
}

Task<Reply> put_user(Context& context, Request request) {
  const std::string& name = request.param("user");
  auto commands = user_from_json(name, request.body);
  if (!commands) co_return bad_request(commands.error().message);
  std::optional<Changed> changed;  // by the first: the others find the user that it has made
  for (auth::Command& command : *commands) {
    const Changed one =
        co_await change_access(context, std::move(command), user_exists(name), false);
    if (!one.status) co_return reply_of(one, true);
    if (!changed) changed = one;
  }
  co_return reply_of(*changed, true);
}

// Who is gone is not connected any more.
Task<Changed> remove_user(Context& context, const std::string& name) {
  auth::Command command = auth::DeleteUser{name};
  const Changed changed =
      co_await change_access(context, std::move(command), user_exists(name), true);
  if (changed.was_there && changed.status) {
    broker::Operations::Chosen owned = [name](const std::string&, const std::string& owner) {
      return owner == name;
    };
    co_await context.close_connections(std::move(owned), "user '" + name + "' was deleted");
  }
  co_return changed;
}

Task<Reply> delete_user(Context& context, Request request) {
  const Changed changed = co_await remove_user(context, request.param("user"));
  co_return reply_of(changed, false);
}

Task<Reply> delete_users(Context& context, Request request) {
  const json::value* names = request.body.if_contains("users");
  if (!names || !names->is_array()) co_return bad_request("[{key_missing,users}]");
  for (const json::value& name : names->get_array()) {
    if (!name.is_string()) co_return bad_request("users hold what is no text");
  }
  for (const json::value& name : names->get_array()) {
    const Changed changed = co_await remove_user(context, std::string(name.get_string()));
    if (!changed.status) co_return reply_of(changed, false);
  }
  co_return no_content();
}

// Those of which both members have the values; an empty value stands for any.
json::array selected(json::array all, const std::string& user, const std::string& vhost) {
  json::array some;
  for (json::value& item : all) {
    const bool fits = (user.empty() || item.at("user").as_string() == user) &&
                      (vhost.empty() || item.at("vhost").as_string() == vhost);
    if (fits) some.push_back(std::move(item));
  }
  return some;
}

std::string param_or_any(const Request& request, std::string_view name) {
  return request.params.contains(name) ? request.param(name) : std::string();
}

template <json::array (*render)(const auth::Directory&)>
Task<Reply> list_rights(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  const std::string user = param_or_any(request, "user");
  const std::string vhost = param_or_any(request, "vhost");
  const bool unknown =
      (!user.empty() && !view->find(user)) || (!vhost.empty() && !known_vhost(request));
  if (unknown) co_return not_found();
  co_return listed(request, selected(render(*view), user, vhost));
}

Task<Reply> show_rights(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  json::array found =
      selected(rights_to_json(*view), request.param("user"), request.param("vhost"));
  if (found.empty()) co_return not_found();
  co_return shown(request, std::move(found.front().get_object()));
}

// Rights are given where there is something to have a right to, to those who are there.
Task<std::optional<Reply>> refuse_grant(Context& context, const Request& request) {
  const AccessView view = co_await access_view(context);
  if (view->find(request.param("user")) && known_vhost(request)) co_return std::nullopt;
  co_return bad_request("vhost_or_user_not_found");
}

std::function<bool(const auth::Directory&)> has_rights(const Request& request) {
  return [user = request.param("user"), vhost = request.param("vhost")](
             const auth::Directory& directory) { return directory.rights(user, vhost) != nullptr; };
}

Task<Reply> put_rights(Context& context, Request request) {
  auto command = rights_from_json(request.param("user"), request.param("vhost"), request.body);
  if (!command) co_return bad_request(command.error().message);
  if (auto refusal = co_await refuse_grant(context, request)) co_return *refusal;
  const Changed changed =
      co_await change_access(context, std::move(*command), has_rights(request), false);
  co_return reply_of(changed, true);
}

Task<Reply> delete_rights(Context& context, Request request) {
  auth::Command command = auth::ClearRights{request.param("user"), request.param("vhost")};
  const Changed changed =
      co_await change_access(context, std::move(command), has_rights(request), true);
  co_return reply_of(changed, false);
}

std::function<bool(const auth::Directory&)> has_topic_rights(const Request& request,
                                                             const std::string& exchange) {
  return [user = request.param("user"), vhost = request.param("vhost"),
          exchange](const auth::Directory& directory) {
    const auto found = directory.all_rights().find(user);
    if (found == directory.all_rights().end()) return false;
    const auto there = found->second.find(vhost);
    if (there == found->second.end()) return false;
    const auto& topics = there->second.topics;
    return exchange.empty() ? !topics.empty() : topics.contains(exchange);
  };
}

Task<Reply> put_topic_rights(Context& context, Request request) {
  auto command =
      topic_rights_from_json(request.param("user"), request.param("vhost"), request.body);
  if (!command) co_return bad_request(command.error().message);
  if (auto refusal = co_await refuse_grant(context, request)) co_return *refusal;
  const Changed changed =
      co_await change_access(context, std::move(*command),
                             has_topic_rights(request, text_of(request.body, "exchange")), false);
  co_return reply_of(changed, true);
}

Task<Reply> delete_topic_rights(Context& context, Request request) {
  const std::string exchange = param_or_any(request, "exchange");
  auth::Command command =
      auth::ClearTopicRights{request.param("user"), request.param("vhost"), exchange};
  const Changed changed = co_await change_access(context, std::move(command),
                                                 has_topic_rights(request, exchange), true);
  co_return reply_of(changed, false);
}

constexpr Rank admin = Rank::administrator;
constexpr Route table[] = {
    {"GET", "/whoami", Rank::management, whoami},
    {"GET", "/users", admin, list_users},
    {"GET", "/users/without-permissions", admin, list_powerless},
    {"POST", "/users/bulk-delete", admin, delete_users},
    {"GET", "/users/{user}", admin, show_user},
    {"PUT", "/users/{user}", admin, put_user},
    {"DELETE", "/users/{user}", admin, delete_user},
    {"GET", "/users/{user}/permissions", admin, list_rights<rights_to_json>},
    {"GET", "/users/{user}/topic-permissions", admin, list_rights<topic_rights_to_json>},
    {"GET", "/vhosts/{vhost}/permissions", admin, list_rights<rights_to_json>},
    {"GET", "/vhosts/{vhost}/topic-permissions", admin, list_rights<topic_rights_to_json>},
    {"GET", "/permissions", admin, list_rights<rights_to_json>},
    {"GET", "/permissions/{vhost}/{user}", admin, show_rights},
    {"PUT", "/permissions/{vhost}/{user}", admin, put_rights},
    {"DELETE", "/permissions/{vhost}/{user}", admin, delete_rights},
    {"GET", "/topic-permissions", admin, list_rights<topic_rights_to_json>},
    {"GET", "/topic-permissions/{vhost}/{user}", admin, list_rights<topic_rights_to_json>},
    {"PUT", "/topic-permissions/{vhost}/{user}", admin, put_topic_rights},
    {"DELETE", "/topic-permissions/{vhost}/{user}", admin, delete_topic_rights},
    {"DELETE", "/topic-permissions/{vhost}/{user}/{exchange}", admin, delete_topic_rights},
};

}  // namespace

std::span<const Route> user_routes() { return table; }

}  // namespace trv::admin
