// Request and Reply: what a route is asked, and what it answers.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/http.h"

namespace trv::auth {
class Directory;
}

namespace trv::admin {

// Who may ask. An administrator may all, and each of the others what `management` may.
enum class Rank : std::uint8_t { management, policymaker, monitoring, administrator };

struct Request {
  std::string method;
  std::vector<std::string> path;  // decoded, without "api"
  std::map<std::string, std::string, std::less<>> query;
  std::map<std::string, std::string, std::less<>> params;  // by the names in the route's pattern
  boost::json::object body;                                // an absent one is an empty one
  std::string reason;                                      // why, for those whom it befalls
  std::string user;
  std::vector<std::string> tags;
  std::shared_ptr<const auth::Directory> access;  // as it was when the login was checked
  bool has_rank(Rank rank) const;
  // Has rights in the virtual host, or watches over all.
  bool sees(std::string_view vhost) const;

  // Requires: the route's pattern has it.
  const std::string& param(std::string_view name) const { return params.find(name)->second; }
  std::string query_value(std::string_view name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  }
};

bool knows_vhost(const Request& request, std::string_view vhost);
// Requires: the route's pattern has one.
inline bool known_vhost(const Request& request) {
  return knows_vhost(request, request.param("vhost"));
}

using Reply = runtime::HttpReply;

Reply ok(const boost::json::value& value);
Reply no_content();
Reply created();
// {"error": error, "reason": reason}
Reply failure(int status, std::string_view error, std::string_view reason);
Reply bad_request(std::string_view reason);
Reply not_found();
Reply not_authorised(std::string_view reason);

// The text of a member of the body; empty when it is absent or none.
std::string text_of(const boost::json::object& object, std::string_view name);
// Which of these members the body lacks, as the reason of a refusal; empty when none.
std::string missing_keys(const boost::json::object& object,
                         std::initializer_list<std::string_view> names);

// Splits before decoding, so that a name may hold what separates. False when malformed.
bool parse_target(std::string_view target, Request& out);

}  // namespace trv::admin
