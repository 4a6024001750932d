// policies and operator-policies.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/listing.h"
#include "admin/policy.h"
#include "admin/routes.h"
#include "base/scoped_name.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using model::PolicyClass;
using runtime::Task;

std::string policy_name(const Request& request) {
  return scoped(request.param("vhost"), request.param("name"));
}

template <PolicyClass of>
Task<Reply> list_policies(Context& context, Request request) {
  if (auto reply = reply_without_list(request)) co_return std::move(*reply);
  const PolicyView view = co_await policy_view(context);
  co_return listed(request, in_sight(request, policies_to_json(*view, of)));
}

template <PolicyClass of>
Task<Reply> show_policy(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const PolicyView view = co_await policy_view(context);
  const model::Policy* policy = view->find(of, policy_name(request));
  if (!policy) co_return not_found();
  co_return shown(request, policy_to_json(*policy));
}

template <PolicyClass of>
Task<Reply> set_policy(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  auto policy = policy_from_json(of, request.param("vhost"), request.param("name"), request.body);
  if (!policy) co_return bad_request(policy.error().message);
  const Changed changed = co_await put_policy(context, std::move(*policy));
  co_return reply_of(changed, true);
}

template <PolicyClass of>
Task<Reply> clear_policy(Context& context, Request request) {
  if (!known_vhost(request)) co_return not_found();
  const Changed changed = co_await delete_policy(context, of, policy_name(request));
  co_return reply_of(changed, false);
}

constexpr PolicyClass users = PolicyClass::users;
constexpr PolicyClass operators = PolicyClass::operators;
constexpr Route table[] = {
    {"GET", "/policies", Rank::management, list_policies<users>},
    {"GET", "/policies/{vhost}", Rank::management, list_policies<users>},
    {"GET", "/policies/{vhost}/{name}", Rank::management, show_policy<users>},
    {"PUT", "/policies/{vhost}/{name}", Rank::policymaker, set_policy<users>},
    {"DELETE", "/policies/{vhost}/{name}", Rank::policymaker, clear_policy<users>},
    {"GET", "/operator-policies", Rank::management, list_policies<operators>},
    {"GET", "/operator-policies/{vhost}", Rank::management, list_policies<operators>},
    {"GET", "/operator-policies/{vhost}/{name}", Rank::management, show_policy<operators>},
    {"PUT", "/operator-policies/{vhost}/{name}", Rank::administrator, set_policy<operators>},
    {"DELETE", "/operator-policies/{vhost}/{name}", Rank::administrator, clear_policy<operators>},
};

}  // namespace

std::span<const Route> policy_routes() { return table; }

}  // namespace trv::admin
