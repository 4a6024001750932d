// Routes: the table of what the API answers, a file of handlers each in routes/.
#pragma once

#include <span>
#include <string_view>

#include "admin/context.h"
#include "admin/request.h"
#include "runtime/task.h"

namespace trv::admin {

using Handler = runtime::Task<Reply> (*)(Context& context, Request request);

struct Route {
  std::string_view method;
  // Segments behind "/api"; those in braces take any value, by that name.
  std::string_view pattern;
  Rank rank;
  Handler handler;
};

std::span<const Route> overview_routes();
std::span<const Route> connection_routes();
std::span<const Route> exchange_routes();
std::span<const Route> queue_routes();
std::span<const Route> binding_routes();
std::span<const Route> vhost_routes();
std::span<const Route> user_routes();
std::span<const Route> limit_routes();
std::span<const Route> policy_routes();
std::span<const Route> parameter_routes();
std::span<const Route> health_routes();
std::span<const Route> definition_routes();

// The routes of a path, of which the methods differ; params are those of the first.
struct Found {
  const Route* route = nullptr;  // null: none of this method
  std::string allowed;           // the methods that there are; empty: there is no such path
};
Found find_route(Request& request);

// The default exchange, which has no name, has one in paths.
inline std::string exchange_name(const Request& request, std::string_view param) {
  const std::string& name = request.param(param);
  return name == "amq.default" ? std::string() : name;
}

// What became of a change, as a reply; `makes`: it makes what it is about, or changes it.
Reply reply_of(const Changed& changed, bool makes);
// What became of an operation, as a reply; `done` and `created` where all went well.
Reply reply_of(const broker::OperationResult& result, Reply done, Reply created);
inline Reply reply_of(const broker::OperationResult& result) {
  return reply_of(result, no_content(), admin::created());
}

}  // namespace trv::admin
