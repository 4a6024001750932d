#include "admin/limits.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace trv::admin {

namespace {

namespace json = boost::json;
using auth::Limit;
using auth::LimitScope;

struct LimitName {
  std::string_view name;
  Limit limit;
  bool of_users;
  bool of_vhosts;
};
// In the order in which they are told.
constexpr LimitName names[] = {
    {"max-channels", Limit::channels, true, false},
    {"max-connections", Limit::connections, true, true},
    {"max-queues", Limit::queues, false, true},
};

Error invalid(std::string reason) { return {Errc::invalid_argument, std::move(reason)}; }

// As an Erlang term, as far as refusals need it.
std::string term_of(const json::value& value) {
  if (!value.is_string()) return json::serialize(value);
  return "<<" + json::serialize(value) + ">>";
}

}  // namespace

std::optional<Limit> limit_named(LimitScope scope, std::string_view name) {
  for (const LimitName& one : names) {
    const bool fits = scope == LimitScope::user ? one.of_users : one.of_vhosts;
    if (fits && one.name == name) return one.limit;
  }
  return std::nullopt;
}

json::object limits_to_json(const auth::Limits& limits) {
  json::object object;
  for (const LimitName& one : names) {
    const auto found = limits.find(one.limit);
    if (found != limits.end()) object[one.name] = found->second;
  }
  return object;
}

json::object user_limits_to_json(const auth::Directory& directory, std::string_view user) {
  const auto& all = directory.limits(LimitScope::user);
  const auto found = all.find(user);
  return found == all.end() ? json::object() : limits_to_json(found->second);
}

json::array limits_to_json(const auth::Directory& directory, LimitScope scope) {
  json::array all;
  for (const auto& [name, limits] : directory.limits(scope)) {
    all.push_back(json::object{{scope == LimitScope::user ? "user" : "vhost", name},
                               {"value", limits_to_json(limits)}});
  }
  return all;
}

Result<auth::Command> limit_from_json(LimitScope scope, const std::string& name,
                                      std::string_view limit, const json::value& value) {
  const auto known = limit_named(scope, limit);
  const bool of_user = scope == LimitScope::user;
  const std::string what(limit);
  // So RabbitMQ frames what is wrong with its parameters, which limits of users are none of.
  const std::string begin = of_user ? "" : "Validation failed\n\n";
  const std::string end = of_user ? "" : "\n";
  if (!known) {
    return invalid(begin + "Unrecognised terms [{<<\"" + what + "\">>," + term_of(value) +
                   "}] in " + (of_user ? "user-limits" : "limits") + end);
  }
  const bool is_integer =
      value.is_int64() || (value.is_uint64() && value.get_uint64() <= INT64_MAX);
  if (!is_integer) {
    return invalid(begin + what + " should be a number, actually was " + term_of(value) + end);
  }
  return auth::Command(auth::SetLimit{scope, name, *known, value.to_number<std::int64_t>()});
}

Result<std::vector<auth::Command>> limits_from_json(LimitScope scope, const std::string& name,
                                                    const json::value& limits) {
  std::vector<auth::Command> commands;
  commands.emplace_back(auth::ClearLimit{scope, name, std::nullopt});
  // An empty list is how RabbitMQ writes that there are none.
  if (const json::array* list = limits.if_array(); list && list->empty()) return commands;
  const json::object* object = limits.if_object();
  if (!object) return invalid("limits are no object");
  for (const auto& [limit, value] : *object) {
    auto command = limit_from_json(scope, name, std::string_view(limit), value);
    if (!command) return command.error();
    commands.push_back(std::move(*command));
  }
  return commands;
}

}  // namespace trv::admin
