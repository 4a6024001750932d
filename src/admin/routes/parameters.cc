// parameters, global-parameters and the name of the cluster, which is one of those.
#include "admin/parameters.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/limits.h"
#include "admin/listing.h"
#include "admin/routes.h"
#include "base/scoped_name.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using runtime::Task;

// Changes that make nothing that there could be already, one by one.
Task<Reply> carry_out(Context& context, std::vector<auth::Command> commands) {
  for (auth::Command& command : commands) {
    const auto any = [](const auth::Directory&) { return true; };
    const Changed changed = co_await change_access(context, std::move(command), any, false);
    if (!changed.status) co_return reply_of(changed, false);
  }
  co_return no_content();
}

// --- global ones ---------------------------------------------------------------------------------

Task<Reply> list_global(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  co_return listed(request, global_parameters_to_json(*view));
}

Task<Reply> show_global(Context& context, Request request) {
  const AccessView view = co_await access_view(context);
  const std::string* value = view->parameter(request.param("name"));
  if (!value) co_return not_found();
  co_return shown(request, global_parameter_to_json(request.param("name"), *value));
}

Task<Changed> change_global(Context& context, auth::Command command, std::string name,
                            bool only_if_there) {
  const auto there = [name](const auth::Directory& access) {
    return access.parameter(name) != nullptr;
  };
  co_return co_await change_access(context, std::move(command), there, only_if_there);
}

Task<Reply> put_global(Context& context, Request request) {
  const std::string& name = request.param("name");
  auto command = global_parameter_from_json(name, request.body);
  if (!command) co_return bad_request(command.error().message);
  co_return reply_of(co_await change_global(context, std::move(*command), name, false), true);
}

Task<Reply> delete_global(Context& context, Request request) {
  const std::string& name = request.param("name");
  auth::Command command = auth::DeleteParameter{name};
  co_return reply_of(co_await change_global(context, std::move(command), name, true), false);
}

Task<Reply> show_cluster_name(Context& context, Request) {
  const AccessView view = co_await access_view(context);
  const std::string name = cluster_name(*view, context.facts().cluster);
  co_return ok(json::object{{"name", name}});
}

Task<Reply> put_cluster_name(Context& context, Request request) {
  const json::value* name = request.body.if_contains("name");
  if (!name) co_return bad_request(missing_keys(request.body, {"name"}));
  if (!name->is_string()) co_return bad_request("the name of a cluster is a text");
  std::vector<auth::Command> commands;
  commands.push_back(auth::PutParameter{"cluster_name", json::serialize(*name)});
  co_return co_await carry_out(context, std::move(commands));
}

// --- those with a component ----------------------------------------------------------------------

// Those of the component, virtual host and name that the path names.
Task<json::array> chosen(Context& context, const Request& request) {
  const AccessView access = co_await access_view(context);
  const PolicyView policies = co_await policy_view(context);
  json::array some;
  for (json::value& one : in_sight(request, parameters_to_json(*access, *policies))) {
    bool fits = true;
    for (const char* member : {"component", "vhost", "name"}) {
      const auto wanted = request.params.find(member);
      if (wanted == request.params.end()) continue;
      fits = fits && one.at(member).as_string() == wanted->second;
    }
    if (fits) some.push_back(std::move(one));
  }
  co_return some;
}

Task<Reply> list_parameters(Context& context, Request request) {
  if (request.params.contains("vhost") && !known_vhost(request)) co_return not_found();
  json::array some = co_await chosen(context, request);
  co_return listed(request, std::move(some));
}

Task<Reply> show_parameter(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  json::array found = co_await chosen(context, request);
  if (found.empty()) co_return not_found();
  co_return shown(request, std::move(found.front().get_object()));
}

bool names_limits(const Request& request) {
  return request.param("component") == vhost_limits_component &&
         request.param("name") == vhost_limits_name;
}

Task<Reply> put_operator_policy(Context& context, const Request& request,
                                const json::object& value) {
  auto policy = policy_from_json(model::PolicyClass::operators, request.param("vhost"),
                                 request.param("name"), value);
  if (!policy) co_return bad_request("Validation failed\n\n" + policy.error().message + "\n");
  co_return reply_of(co_await put_policy(context, std::move(*policy)), true);
}

Task<Reply> put_parameter(Context& context, Request request) {
  if (!known_vhost(request)) co_return failure(404, "not_found", "vhost_not_found");
  const json::value* value = request.body.if_contains("value");
  if (!value) co_return bad_request(missing_keys(request.body, {"value"}));
  const std::string& component = request.param("component");
  if (component == "policy") co_return bad_request("policies may not be set using this method");
  if (names_limits(request)) {
    auto commands = limits_from_json(auth::LimitScope::vhost, request.param("vhost"), *value);
    if (!commands) co_return bad_request(commands.error().message);
    co_return co_await carry_out(context, std::move(*commands));
  }
  if (component == operator_policy_component && value->is_object()) {
    co_return co_await put_operator_policy(context, request, value->get_object());
  }
  const bool known = component == operator_policy_component || component == vhost_limits_component;
  co_return bad_request("Validation failed\n\n" +
                        (known ? "no such parameter of component " + component
                               : "component " + component + " not found") +
                        "\n");
}

Task<Reply> delete_parameter(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  if ((co_await chosen(context, request)).empty()) co_return not_found();
  if (!names_limits(request)) {
    std::string name = scoped(request.param("vhost"), request.param("name"));
    co_return reply_of(
        co_await delete_policy(context, model::PolicyClass::operators, std::move(name)), false);
  }
  std::vector<auth::Command> commands;
  commands.push_back(
      auth::ClearLimit{auth::LimitScope::vhost, request.param("vhost"), std::nullopt});
  co_return co_await carry_out(context, std::move(commands));
}

constexpr Rank maker = Rank::policymaker;
constexpr Rank admin = Rank::administrator;
constexpr Route table[] = {
    {"GET", "/global-parameters", maker, list_global},
    {"GET", "/global-parameters/{name}", maker, show_global},
    {"PUT", "/global-parameters/{name}", maker, put_global},
    {"DELETE", "/global-parameters/{name}", maker, delete_global},
    {"GET", "/cluster-name", Rank::management, show_cluster_name},
    {"PUT", "/cluster-name", admin, put_cluster_name},
    {"GET", "/parameters", maker, list_parameters},
    {"GET", "/parameters/{component}", maker, list_parameters},
    {"GET", "/parameters/{component}/{vhost}", maker, list_parameters},
    {"GET", "/parameters/{component}/{vhost}/{name}", maker, show_parameter},
    {"PUT", "/parameters/{component}/{vhost}/{name}", admin, put_parameter},
    {"DELETE", "/parameters/{component}/{vhost}/{name}", admin, delete_parameter},
};

}  // namespace

std::span<const Route> parameter_routes() { return table; }

}  // namespace trv::admin
