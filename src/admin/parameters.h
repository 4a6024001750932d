// Parameters in the API's JSON. Global ones are kept for whoever puts them, any value by any name;
// of those with a component there are two: the operator's policies and the limits of virtual hosts.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "admin/access.h"
#include "admin/policy.h"

namespace trv::admin {

inline constexpr std::string_view operator_policy_component = "operator_policy";
inline constexpr std::string_view vhost_limits_component = "vhost-limits";
// All limits of a virtual host are one parameter, of this name.
inline constexpr std::string_view vhost_limits_name = "limits";

// {"component", "vhost", "name", "value"} each.
boost::json::array parameters_to_json(const auth::Directory& access,
                                      const model::Policies& policies);

// {"name", "value"}
boost::json::object global_parameter_to_json(const std::string& name, const std::string& value);
boost::json::array global_parameters_to_json(const auth::Directory& access);
// Errors: invalid_argument, with the reason of the refusal.
Result<auth::Command> global_parameter_from_json(const std::string& name,
                                                 const boost::json::object& body);

// What the global parameter `cluster_name` says, or else `given`.
std::string cluster_name(const auth::Directory& access, const std::string& given);

}  // namespace trv::admin
