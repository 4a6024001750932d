// connections, channels and consumers: who is there, and closing connections.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/listing.h"
#include "admin/routes.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using Subject = broker::Operations::Subject;
using runtime::Task;

std::string_view text(const json::value& item, std::string_view name) {
  return item.get_object().at(name).get_string();
}

// Whose it is: users see their own, those who monitor all of them.
bool visible(const Request& request, const json::value& item) {
  if (request.has_rank(Rank::monitoring)) return true;
  const json::object& object = item.get_object();
  const json::value* details = object.if_contains("channel_details");
  return text(details ? *details : item, "user") == request.user;
}

template <class Keep>
Task<json::array> kept(Context& context, const Request& request, Subject subject, Keep keep) {
  json::array all = co_await context.list(subject);
  json::array some;
  for (json::value& item : all) {
    if (visible(request, item) && keep(item)) some.push_back(std::move(item));
  }
  co_return some;
}

bool every(const json::value&) { return true; }

template <Subject subject>
Task<Reply> list_all(Context& context, Request request) {
  co_return listed(request, co_await kept(context, request, subject, every));
}

template <Subject subject>
Task<Reply> list_of_vhost(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const auto in_it = [&request](const json::value& item) { return in_sight(request, item); };
  co_return listed(request, co_await kept(context, request, subject, in_it));
}

// One that has this name.
template <Subject subject>
Task<Reply> show_one(Context& context, Request request) {
  const std::string& name = request.param("name");
  const auto named = [&name](const json::value& item) { return text(item, "name") == name; };
  json::array found = co_await kept(context, request, subject, named);
  if (found.empty()) co_return not_found();
  co_return shown(request, std::move(found.front().get_object()));
}

Task<Reply> connection_channels(Context& context, Request request) {
  const std::string& name = request.param("name");
  const auto of_it = [&name](const json::value& item) {
    return text(item.at("connection_details"), "name") == name;
  };
  co_return listed(request, co_await kept(context, request, Subject::channels, of_it));
}

Task<Reply> user_connections(Context& context, Request request) {
  const std::string& user = request.param("user");
  const auto owned = [&user](const json::value& item) { return text(item, "user") == user; };
  co_return listed(request, co_await kept(context, request, Subject::connections, owned));
}

std::string closing_reason(const Request& request) {
  return request.reason.empty() ? "Closed via management plugin" : request.reason;
}

Task<Reply> close_connection(Context& context, Request request) {
  const bool all = request.has_rank(Rank::administrator);
  broker::Operations::Chosen chosen = [name = request.param("name"), user = request.user, all](
                                          const std::string& one, const std::string& owner) {
    return one == name && (all || owner == user);
  };
  const int count = co_await context.close_connections(std::move(chosen), closing_reason(request));
  co_return count > 0 ? no_content() : not_found();
}

Task<Reply> close_user_connections(Context& context, Request request) {
  const bool all = request.has_rank(Rank::administrator);
  if (!all && request.param("user") != request.user) {
    co_return not_authorised("Not administrator user");
  }
  broker::Operations::Chosen chosen = [user = request.param("user")](const std::string&,
                                                                     const std::string& owner) {
    return owner == user;
  };
  co_await context.close_connections(std::move(chosen), closing_reason(request));
  co_return no_content();
}

constexpr Route table[] = {
    {"GET", "/connections", Rank::management, list_all<Subject::connections>},
    {"GET", "/vhosts/{vhost}/connections", Rank::management, list_of_vhost<Subject::connections>},
    {"GET", "/connections/username/{user}", Rank::management, user_connections},
    {"DELETE", "/connections/username/{user}", Rank::management, close_user_connections},
    {"GET", "/connections/{name}", Rank::management, show_one<Subject::connections>},
    {"DELETE", "/connections/{name}", Rank::management, close_connection},
    {"GET", "/connections/{name}/channels", Rank::management, connection_channels},
    {"GET", "/channels", Rank::management, list_all<Subject::channels>},
    {"GET", "/vhosts/{vhost}/channels", Rank::management, list_of_vhost<Subject::channels>},
    {"GET", "/channels/{name}", Rank::management, show_one<Subject::channels>},
    {"GET", "/consumers", Rank::management, list_all<Subject::consumers>},
    {"GET", "/consumers/{vhost}", Rank::management, list_of_vhost<Subject::consumers>},
};

}  // namespace

std::span<const Route> connection_routes() { return table; }

}  // namespace trv::admin
