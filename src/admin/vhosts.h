// Virtual hosts in the API's JSON.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "auth/directory.h"
#include "base/result.h"

namespace trv::admin {

// `node`: on which it runs.
boost::json::object vhost_to_json(const auth::Vhost& vhost, const std::string& node);
// As definitions have it.
boost::json::object vhost_definition(const auth::Vhost& vhost);
// The arguments of broker::Operation::Verb::put_vhost. Errors: invalid_argument, with the reason of
// the refusal.
Result<boost::json::object> vhost_from_json(const std::string& name,
                                            const boost::json::object& body);

}  // namespace trv::admin
