#include "admin/routes.h"

#include <algorithm>

namespace trv::admin {

namespace {

// Fills `params`; false when the path is another one.
bool matches(std::string_view pattern, const Request& request,
             std::map<std::string, std::string, std::less<>>& params) {
  params.clear();
  std::size_t index = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view part = pattern.substr(0, end);
    pattern.remove_prefix(end);
    if (index == request.path.size()) return false;
    const std::string& given = request.path[index++];
    if (part.starts_with('{')) {
      params[std::string(part.substr(1, part.size() - 2))] = given;
    } else if (part != given) {
      return false;
    }
  }
  return index == request.path.size();
}

}  // namespace

Found find_route(Request& request) {
  Found found;
  // HEAD is GET without its body.
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  for (const auto& routes :
       {overview_routes(), connection_routes(), exchange_routes(), queue_routes(), binding_routes(),
        vhost_routes(), user_routes(), limit_routes(), policy_routes(), parameter_routes(),
        health_routes(), definition_routes()}) {
    for (const Route& route : routes) {
      std::map<std::string, std::string, std::less<>> params;
      if (!matches(route.pattern, request, params)) continue;
      found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(route.method);
      if (route.method != method || found.route) continue;
      found.route = &route;
      request.params = std::move(params);
    }
  }
  return found;
}

Reply reply_of(const Changed& changed, bool makes) {
  if (!changed.status) return failure(503, "unavailable", changed.status.error().message);
  if (changed.was_there) return no_content();
  return makes ? created() : not_found();
}

Reply reply_of(const broker::OperationResult& result, Reply done, Reply created) {
  using Kind = broker::OperationResult::Kind;
  switch (result.kind) {
    case Kind::done:
      return done;
    case Kind::created:
      return created;
    case Kind::refused:
      return bad_request(result.reason);
    case Kind::access_refused:
      return not_authorised(result.reason);
    case Kind::not_found:
      if (result.reason == "Not Found") return not_found();
      return failure(404, "not_found", result.reason);
    case Kind::timed_out:
      return failure(503, "unavailable", result.reason);
  }
  return failure(500, "internal_error", "");
}

}  // namespace trv::admin
