// Users and rights in the API's JSON, and changes of them.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <vector>

#include "admin/context.h"
#include "admin/request.h"
#include "auth/directory.h"
#include "base/result.h"

namespace trv::admin {

using AccessView = std::shared_ptr<const auth::Directory>;

runtime::Task<AccessView> access_view(Context& context);
// As Context::change_catalog().
runtime::Task<Changed> change_access(Context& context, auth::Command command,
                                     std::function<bool(const auth::Directory&)> there,
                                     bool only_if_there);

// With the limits that it has in the directory.
boost::json::object user_to_json(const auth::Directory& directory, const auth::User& user);
boost::json::object rights_to_json(const std::string& user, const std::string& vhost,
                                   const auth::Rights& rights);
boost::json::object topic_rights_to_json(const std::string& user, const std::string& vhost,
                                         const std::string& exchange,
                                         const auth::Rights::Topic& topic);
// All of them, in the order of their names.
boost::json::array users_to_json(const auth::Directory& directory);
boost::json::array rights_to_json(const auth::Directory& directory);
boost::json::array topic_rights_to_json(const auth::Directory& directory);

// Errors: invalid_argument, with the reason of the refusal.
// "a,b" or a list.
Result<std::vector<std::string>> tags_of(const boost::json::value& value);
// The user, and its limits where the body tells them; else those that there are stay.
Result<std::vector<auth::Command>> user_from_json(const std::string& name,
                                                  const boost::json::object& body);
Result<auth::Command> rights_from_json(const std::string& user, const std::string& vhost,
                                       const boost::json::object& body);
Result<auth::Command> topic_rights_from_json(const std::string& user, const std::string& vhost,
                                             const boost::json::object& body);

}  // namespace trv::admin
