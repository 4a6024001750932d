// Policies in the API's JSON, and changes of them.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <string>

#include "admin/context.h"
#include "admin/request.h"
#include "base/result.h"
#include "model/policies.h"

namespace trv::admin {

using PolicyView = std::shared_ptr<const model::Policies>;

runtime::Task<PolicyView> policy_view(Context& context);

runtime::Task<Changed> put_policy(Context& context, model::Policy policy);
// Nothing is done when there is none.
runtime::Task<Changed> delete_policy(Context& context, model::PolicyClass of, std::string name);

boost::json::object policy_to_json(const model::Policy& policy);
// What bears on a queue, as it is listed with the names of its two policies; empty without.
boost::json::object effective_definition(const model::Policies& policies,
                                         const boost::json::object& resource);
boost::json::array policies_to_json(const model::Policies& policies, model::PolicyClass of);
// Names in the result are the broker's. Errors: invalid_argument, with the reason of the refusal.
Result<model::Policy> policy_from_json(model::PolicyClass of, const std::string& vhost,
                                       const std::string& name, const boost::json::object& body);

}  // namespace trv::admin
