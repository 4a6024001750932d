#include "admin/parameters.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <initializer_list>

#include "admin/limits.h"

namespace trv::admin {

namespace {

namespace json = boost::json;

// Takes what says where it is out of `value`.
json::object policy_parameter(json::object value) {
  json::object parameter;
  parameter["component"] = operator_policy_component;
  for (const char* member : {"vhost", "name"}) {
    parameter[member] = value.at(member);
    value.erase(member);
  }
  parameter["value"] = std::move(value);
  return parameter;
}

}  // namespace

json::array parameters_to_json(const auth::Directory& access, const model::Policies& policies) {
  json::array all;
  for (json::value& policy : policies_to_json(policies, model::PolicyClass::operators)) {
    all.push_back(policy_parameter(std::move(policy.get_object())));
  }
  for (json::value& limits : limits_to_json(access, auth::LimitScope::vhost)) {
    json::object& parameter = limits.get_object();
    parameter["component"] = vhost_limits_component;
    parameter["name"] = vhost_limits_name;
    all.push_back(std::move(parameter));
  }
  return all;
}

json::object global_parameter_to_json(const std::string& name, const std::string& value) {
  return {{"name", name}, {"value", json::parse(value)}};
}

json::array global_parameters_to_json(const auth::Directory& access) {
  json::array all;
  for (const auto& [name, value] : access.parameters()) {
    all.push_back(global_parameter_to_json(name, value));
  }
  return all;
}

Result<auth::Command> global_parameter_from_json(const std::string& name,
                                                 const json::object& body) {
  const json::value* value = body.if_contains("value");
  if (!value) return Error{Errc::invalid_argument, missing_keys(body, {"value"})};
  return auth::Command(auth::PutParameter{name, json::serialize(*value)});
}

std::string cluster_name(const auth::Directory& access, const std::string& given) {
  const std::string* text = access.parameter("cluster_name");
  if (!text) return given;
  const json::value value = json::parse(*text);
  return value.is_string() ? std::string(value.get_string()) : given;
}

}  // namespace trv::admin
