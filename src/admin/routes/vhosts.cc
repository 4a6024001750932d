// vhosts: listing, making, changing and removing them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <string>

#include "admin/listing.h"
#include "admin/routes.h"
#include "admin/totals.h"
#include "admin/vhosts.h"
#include "base/scoped_name.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using broker::Operation;
using runtime::Task;

using Subject = broker::Operations::Subject;

// What happens in virtual hosts, by their names.
struct Activity {
  std::map<std::string, LengthTotals, std::less<>> lengths;
  json::array traffic;
};

Task<Activity> activity(Context& context) {
  Activity all;
  const json::array queues = co_await context.list(Subject::queues);
  for (const json::value& queue : queues) {
    all.lengths[std::string(queue.at("vhost").as_string())].add(queue.as_object());
  }
  all.traffic = co_await context.list(Subject::traffic);
  co_return all;
}

// With the lengths of its queues and what messages did in it, if there are any.
json::object shown_vhost(const auth::Vhost& vhost, const std::string& node,
                         const Activity& activity) {
  json::object object = vhost_to_json(vhost, node);
  const auto lengths = activity.lengths.find(vhost.name);
  if (lengths != activity.lengths.end()) lengths->second.put(object);
  for (const json::value& one : activity.traffic) {
    if (one.at("vhost") == object["name"]) object["message_stats"] = one.at("message_stats");
  }
  return object;
}

Task<Reply> list_vhosts(Context& context, Request request) {
  const Activity there = co_await activity(context);
  json::array vhosts;
  for (const auto& [name, vhost] : request.access->vhosts()) {
    if (knows_vhost(request, name) && request.sees(name)) {
      vhosts.push_back(shown_vhost(*vhost, context.facts().node, there));
    }
  }
  co_return listed(request, std::move(vhosts));
}

Task<Reply> show_vhost(Context& context, Request request) {
  const auth::Vhost* vhost = request.access->find_vhost(request.param("vhost"));
  if (!vhost) co_return not_found();
  const Activity there = co_await activity(context);
  co_return shown(request, shown_vhost(*vhost, context.facts().node, there));
}

Task<Reply> put_vhost(Context& context, Request request) {
  auto arguments = vhost_from_json(request.param("vhost"), request.body);
  if (!arguments) co_return bad_request(arguments.error().message);
  co_return reply_of(
      co_await context.run(Operation::Verb::put_vhost, request.user, std::move(*arguments)));
}

Task<Reply> delete_vhost(Context& context, Request request) {
  const std::string& name = request.param("vhost");
  if (name == first_scope) {
    co_return bad_request(
        "the virtual host '/' cannot be removed: it is also that of other protocols");
  }
  json::object arguments;
  arguments["name"] = name;
  co_return reply_of(
      co_await context.run(Operation::Verb::delete_vhost, request.user, std::move(arguments)));
}

constexpr Route table[] = {
    {"GET", "/vhosts", Rank::management, list_vhosts},
    {"GET", "/vhosts/{vhost}", Rank::management, show_vhost},
    {"PUT", "/vhosts/{vhost}", Rank::administrator, put_vhost},
    {"DELETE", "/vhosts/{vhost}", Rank::administrator, delete_vhost},
};

}  // namespace

std::span<const Route> vhost_routes() { return table; }

}  // namespace trv::admin
