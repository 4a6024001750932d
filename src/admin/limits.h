// Limits of users and of virtual hosts in the API's JSON.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.h"
#include "base/result.h"

namespace trv::admin {

// The limit that has this name for a user, or for a virtual host; nothing when there is none.
std::optional<auth::Limit> limit_named(auth::LimitScope scope, std::string_view name);

// {"max-connections": 5, ...}
boost::json::object limits_to_json(const auth::Limits& limits);
boost::json::object user_limits_to_json(const auth::Directory& directory, std::string_view user);
// The limits of all users or virtual hosts that have some: {"user": name, "value": limits}.
boost::json::array limits_to_json(const auth::Directory& directory, auth::LimitScope scope);

// Errors: invalid_argument, with the reason of the refusal.
Result<auth::Command> limit_from_json(auth::LimitScope scope, const std::string& name,
                                      std::string_view limit, const boost::json::value& value);
// The same for an object of limits, which take the place of those that there are.
Result<std::vector<auth::Command>> limits_from_json(auth::LimitScope scope, const std::string& name,
                                                    const boost::json::value& limits);

}  // namespace trv::admin
