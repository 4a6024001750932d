// definitions: everything durable that was declared, out and in again.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/access.h"
#include "admin/limits.h"
#include "admin/listing.h"
#include "admin/parameters.h"
#include "admin/policy.h"
#include "admin/routes.h"
#include "admin/vhosts.h"
#include "base/mutant.h"
#include "base/scoped_name.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using broker::Operation;
using broker::OperationResult;
using Subject = broker::Operations::Subject;
using runtime::Task;

// The members of `item` that a definition has.
json::object picked(const json::value& item, std::initializer_list<std::string_view> names) {
  json::object out;
  for (const std::string_view name : names) {
    if (const json::value* value = item.get_object().if_contains(name)) out[name] = *value;
  }
  return out;
}

bool predeclared(const json::value& exchange) {
  const std::string_view name = exchange.at("name").as_string();
  return name.empty() || name.starts_with("amq.");
}

// Of the virtual host that the path names, or of all.
Task<json::object> export_vhost(Context& context, Request request) {
  json::object out;
  json::array queues;
  const json::array all_queues = in_sight(request, co_await context.list(Subject::queues));
  for (const json::value& queue : all_queues) {
    if (!queue.at("durable").as_bool() || queue.at("exclusive").as_bool()) continue;
    json::object one = picked(queue, {"name", "vhost", "durable", "auto_delete", "arguments"});
    const std::string_view type = queue.at("type").as_string();
    one["type"] = type;
    queues.push_back(std::move(one));
  }
  json::array exchanges;
  const json::array all_exchanges = in_sight(request, co_await context.list(Subject::exchanges));
  for (const json::value& exchange : all_exchanges) {
    if (predeclared(exchange) || !exchange.at("durable").as_bool()) continue;
    exchanges.push_back(picked(
        exchange, {"name", "vhost", "type", "durable", "auto_delete", "internal", "arguments"}));
  }
  json::array bindings;
  const json::array all_bindings = in_sight(request, co_await context.list(Subject::bindings));
  for (const json::value& binding : all_bindings) {
    const json::value* durable = binding.get_object().if_contains("durable");
    if (!durable || !durable->as_bool()) continue;  // also those of the default exchange
    bindings.push_back(picked(binding, {"source", "vhost", "destination", "destination_type",
                                        "routing_key", "arguments"}));
  }
  out["queues"] = std::move(queues);
  out["exchanges"] = std::move(exchanges);
  out["bindings"] = std::move(bindings);
  const PolicyView view = co_await policy_view(context);
  out["policies"] = in_sight(request, policies_to_json(*view, model::PolicyClass::users));
  const AccessView access = co_await access_view(context);
  out["parameters"] = in_sight(request, parameters_to_json(*access, *view));
  co_return out;
}

Task<Reply> export_all(Context& context, Request request) {
  json::object out;
  out["product_name"] = "Trivium";
  out["product_version"] = context.facts().version;
  const AccessView view = co_await access_view(context);
  out["users"] = users_to_json(*view);
  out["permissions"] = rights_to_json(*view);
  out["topic_permissions"] = topic_rights_to_json(*view);
  json::array vhosts;
  for (const auto& [name, vhost] : view->vhosts()) {
    if (view->find_vhost(name)) vhosts.push_back(vhost_definition(*vhost));
  }
  out["vhosts"] = std::move(vhosts);
  json::object vhost = co_await export_vhost(context, std::move(request));
  for (auto& [name, value] : vhost) out[name] = std::move(value);
  out["global_parameters"] = global_parameters_to_json(*view);
  co_return Reply(ok(out));
}

Task<Reply> export_one(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  co_return ok(co_await export_vhost(context, std::move(request)));
}

constexpr std::string_view lists_in_vhosts[] = {
    "permissions", "topic_permissions", "policies", "parameters",
    "queues",      "exchanges",         "bindings"};

// What is no list of objects, as a reason; empty when all is.
std::string refuse_form(const json::object& body) {
  std::vector<std::string_view> names(std::begin(lists_in_vhosts), std::end(lists_in_vhosts));
  names.insert(names.begin(), {"vhosts", "users", "global_parameters"});
  for (const std::string_view name : names) {
    const json::value* list = body.if_contains(name);
    if (!list) continue;
    if (!list->is_array()) return std::string(name) + " is no list";
    for (const json::value& item : list->get_array()) {
      if (!item.is_object()) return std::string(name) + " holds what is no object";
    }
  }
  return {};
}

// Says of everything in which virtual host it is: in that of the path, or else in the first where
// the file does not say.
void fill_vhosts(const Request& request, json::object& body) {
  const auto path = request.params.find("vhost");
  for (const std::string_view name : lists_in_vhosts) {
    json::value* list = body.if_contains(name);
    if (!list) continue;
    for (json::value& item : list->get_array()) {
      json::object& object = item.get_object();
      if (path != request.params.end()) {
        object["vhost"] = path->second;
      } else if (!object.contains("vhost")) {
        object["vhost"] = first_scope;
      }
    }
  }
}

// The virtual hosts that a file makes.
Result<std::vector<json::object>> vhosts_of(const Request& request) {
  std::vector<json::object> vhosts;
  const json::value* list = request.body.if_contains("vhosts");
  if (!list) return vhosts;
  const auto path = request.params.find("vhost");
  for (const json::value& item : list->get_array()) {
    const std::string name = text_of(item.get_object(), "name");
    if (path != request.params.end() && path->second != name) {
      return Error{Errc::invalid_argument, "virtual host '" + name + "' is another one"};
    }
    auto vhost = vhost_from_json(name, item.get_object());
    if (!vhost) return Error{Errc::invalid_argument, "vhosts: " + vhost.error().message};
    vhosts.push_back(std::move(*vhost));
  }
  return vhosts;
}

// What a file may hold that cannot be kept: then nothing of it is.
std::string refuse_places(const Request& request, const std::vector<json::object>& made) {
  const auto is_known = [&](const std::string& vhost) {
    const auto named = [&vhost](const json::object& one) { return text_of(one, "name") == vhost; };
    return knows_vhost(request, vhost) || std::any_of(made.begin(), made.end(), named);
  };
  for (const std::string_view name : lists_in_vhosts) {
    const json::value* list = request.body.if_contains(name);
    if (!list) continue;
    for (const json::value& item : list->get_array()) {
      const std::string vhost = text_of(item.get_object(), "vhost");
      if (!is_known(vhost)) return "virtual host '" + vhost + "' does not exist";
    }
  }
  return {};
}

// Every definition as the operation that makes it, in an order in which they can be made.
std::vector<Operation> operations_of(const json::object& body, const std::string& user) {
  std::vector<Operation> all;
  const auto each = [&body](std::string_view name, auto visit) {
    const json::value* list = body.if_contains(name);
    if (!list) return;
    for (const json::value& item : list->get_array()) visit(item.get_object());
  };
  each("queues", [&](json::object queue) {
    // A type beside the arguments counts as one of them.
    const std::string type = text_of(queue, "type");
    json::value& arguments = queue["arguments"];
    if (!arguments.is_object()) arguments = json::object();
    if (!type.empty() && type != "classic") arguments.get_object().emplace("x-queue-type", type);
    all.push_back({Operation::Verb::declare_queue, user, std::move(queue)});
  });
  each("exchanges", [&](const json::object& exchange) {
    all.push_back({Operation::Verb::declare_exchange, user, exchange});
  });
  each(TRV_MUTANT(import_skips_bindings) ? "" : "bindings", [&](json::object binding) {
    binding["target"] = text_of(binding, "destination");
    binding["key"] = text_of(binding, "routing_key");
    binding["to_exchange"] = text_of(binding, "destination_type") == "exchange";
    all.push_back({Operation::Verb::bind, user, std::move(binding)});
  });
  return all;
}

// Users, their rights, and limits as commands.
Result<std::vector<auth::Command>> access_commands(const json::object& body) {
  std::vector<auth::Command> commands;
  Status status;
  const auto each = [&](std::string_view name, auto read) {
    const json::value* list = body.if_contains(name);
    if (!list) return;
    for (const json::value& item : list->get_array()) {
      auto command = read(item.get_object());
      if (!command) {
        status = Error{Errc::invalid_argument, std::string(name) + ": " + command.error().message};
        return;
      }
      for (auth::Command& one : *command) commands.push_back(std::move(one));
    }
  };
  using Commands = std::vector<auth::Command>;
  const auto alone = [](Result<auth::Command> command) -> Result<Commands> {
    if (!command) return command.error();
    return Commands{std::move(*command)};
  };
  each("users",
       [](const json::object& user) { return user_from_json(text_of(user, "name"), user); });
  each("permissions", [&alone](const json::object& rights) {
    return alone(rights_from_json(text_of(rights, "user"), text_of(rights, "vhost"), rights));
  });
  each("topic_permissions", [&alone](const json::object& rights) {
    return alone(topic_rights_from_json(text_of(rights, "user"), text_of(rights, "vhost"), rights));
  });
  each("parameters", [](const json::object& parameter) -> Result<Commands> {
    if (text_of(parameter, "component") != vhost_limits_component) return Commands();
    const json::value* value = parameter.if_contains("value");
    return limits_from_json(auth::LimitScope::vhost, text_of(parameter, "vhost"),
                            value ? *value : json::value());
  });
  each("global_parameters", [&alone](const json::object& parameter) {
    return alone(global_parameter_from_json(text_of(parameter, "name"), parameter));
  });
  if (!status) return status.error();
  return commands;
}

Result<std::vector<model::Policy>> policies_of(const json::object& body) {
  std::vector<model::Policy> policies;
  const auto add = [&policies](model::PolicyClass of, const json::object& item,
                               const json::object& value) -> Status {
    auto policy = policy_from_json(of, text_of(item, "vhost"), text_of(item, "name"), value);
    if (!policy) return policy.error();
    policies.push_back(std::move(*policy));
    return {};
  };
  if (const json::value* list = body.if_contains("policies")) {
    for (const json::value& item : list->get_array()) {
      const json::object& policy = item.get_object();
      Status added = add(model::PolicyClass::users, policy, policy);
      if (!added) return added.error();
    }
  }
  if (const json::value* list = body.if_contains("parameters")) {
    for (const json::value& item : list->get_array()) {
      const json::object& parameter = item.get_object();
      const std::string component = text_of(parameter, "component");
      if (component == vhost_limits_component) continue;
      const json::value* value = parameter.if_contains("value");
      if (component != operator_policy_component || !value || !value->is_object()) {
        return Error{Errc::invalid_argument,
                     "parameters of '" + component + "' are not implemented"};
      }
      Status added = add(model::PolicyClass::operators, parameter, value->get_object());
      if (!added) return added.error();
    }
  }
  return policies;
}

bool went_well(const OperationResult& result) {
  return result.kind == OperationResult::Kind::done ||
         result.kind == OperationResult::Kind::created;
}

Task<Reply> import(Context& context, Request request) {
  if (request.params.contains("vhost") && !known_vhost(request)) co_return not_found();
  if (const std::string why = refuse_form(request.body); !why.empty()) co_return bad_request(why);
  fill_vhosts(request, request.body);
  auto vhosts = vhosts_of(request);
  if (!vhosts) co_return bad_request(vhosts.error().message);
  if (const std::string why = refuse_places(request, *vhosts);
      !why.empty() && !TRV_MUTANT(import_into_another_vhost)) {
    co_return bad_request(why);
  }
  auto commands = access_commands(request.body);
  if (!commands) co_return bad_request(commands.error().message);
  auto policies = policies_of(request.body);
  if (!policies) co_return bad_request(policies.error().message);
  for (json::object& vhost : *vhosts) {
    const OperationResult result =
        co_await context.run(Operation::Verb::put_vhost, request.user, std::move(vhost));
    if (!went_well(result)) co_return reply_of(result);
  }
  for (model::Policy& policy : *policies) {
    if (TRV_MUTANT(import_skips_policies)) break;
    const Changed changed = co_await put_policy(context, std::move(policy));
    if (!changed.status) co_return failure(503, "unavailable", changed.status.error().message);
  }
  for (auth::Command& command : *commands) {
    const auto any = [](const auth::Directory&) { return true; };
    const Changed changed = co_await change_access(context, std::move(command), any, false);
    if (!changed.status) co_return failure(503, "unavailable", changed.status.error().message);
  }
  for (Operation& operation : operations_of(request.body, request.user)) {
    const OperationResult result =
        co_await context.run(operation.verb, operation.user, std::move(operation.arguments));
    if (!went_well(result)) co_return bad_request(result.reason);
  }
  co_return no_content();
}

constexpr Route table[] = {
    {"GET", "/definitions", Rank::administrator, export_all},
    {"POST", "/definitions", Rank::administrator, import},
    {"GET", "/definitions/{vhost}", Rank::administrator, export_one},
    {"POST", "/definitions/{vhost}", Rank::administrator, import},
};

}  // namespace

std::span<const Route> definition_routes() { return table; }

}  // namespace trv::admin
