// DescribeUserScramCredentials and AlterUserScramCredentials. Nobody has such credentials here:
// what is kept of passwords (auth::Directory) cannot be turned into them, and the only mechanism is
// PLAIN.
#include <map>
#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/refusal.h"

namespace trv::kafka {
namespace {

constexpr std::int8_t mechanism_sha_256 = 1;
constexpr std::int8_t mechanism_sha_512 = 2;
constexpr std::int32_t iterations_min = 4096;
constexpr std::int32_t iterations_max = 16384;

Refusal check_name(ByteView name, std::int8_t mechanism) {
  if (name.empty()) return {ErrorCode::unacceptable_credential, "Username must not be empty"};
  if (mechanism != mechanism_sha_256 && mechanism != mechanism_sha_512) {
    return {ErrorCode::unsupported_sasl_mechanism, "Unknown SCRAM mechanism"};
  }
  return {};
}

Refusal refuse_deletion(const wire::AlterUserScramCredentialsRequest::Deletion& deletion) {
  Refusal refusal = check_name(deletion.name, deletion.mechanism);
  if (refusal.code != ErrorCode::none) return refusal;
  return {ErrorCode::resource_not_found, "Attempt to delete a user credential that does not exist"};
}

Refusal refuse_upsertion(const wire::AlterUserScramCredentialsRequest::Upsertion& upsertion) {
  Refusal refusal = check_name(upsertion.name, upsertion.mechanism);
  if (refusal.code != ErrorCode::none) return refusal;
  if (upsertion.iterations > iterations_max) {
    return {ErrorCode::unacceptable_credential, "Too many iterations"};
  }
  if (upsertion.iterations < iterations_min) {
    return {ErrorCode::unacceptable_credential, "Too few iterations"};
  }
  return {ErrorCode::security_disabled,
          "This broker keeps no SCRAM credentials: users are made over its HTTP API"};
}

}  // namespace

void handle_describe_user_scram_credentials(
    const Call& call, const wire::DescribeUserScramCredentialsRequest& request) {
  wire::DescribeUserScramCredentialsResponse response;
  if (!request.users) return call.reply.send(response);
  std::map<std::string, int> times_named;
  for (const auto& user : *request.users) ++times_named[std::string(user.name)];
  for (const auto& [name, times] : times_named) {
    auto& result = response.results.emplace_back();
    result.user = name;
    const bool twice = times > 1;
    result.error_code =
        wire_code(twice ? ErrorCode::duplicate_resource : ErrorCode::resource_not_found);
    result.error_message =
        (twice ? "Cannot describe SCRAM credentials for the same user twice in a single request: "
               : "Attempt to describe a user credential that does not exist: ") +
        name;
  }
  call.reply.send(response);
}

void handle_alter_user_scram_credentials(const Call& call,
                                         const wire::AlterUserScramCredentialsRequest& request) {
  // One answer for each user: the first thing that is wrong.
  std::map<std::string, Refusal> refusals;
  for (const auto& deletion : request.deletions) {
    refusals.try_emplace(std::string(deletion.name), refuse_deletion(deletion));
  }
  std::set<std::pair<std::string, std::int8_t>> named;
  for (const auto& upsertion : request.upsertions) {
    std::string name(upsertion.name);
    if (!named.emplace(name, upsertion.mechanism).second) {
      auto at = refusals.find(name);
      if (at->second.code == ErrorCode::security_disabled) {
        at->second = {ErrorCode::duplicate_resource,
                      "A user credential cannot be altered twice in the same request"};
      }
      continue;
    }
    refusals.try_emplace(std::move(name), refuse_upsertion(upsertion));
  }
  wire::AlterUserScramCredentialsResponse response;
  for (auto& [name, refusal] : refusals) {
    response.results.push_back({name, wire_code(refusal.code), std::move(refusal.message)});
  }
  call.reply.send(response);
}

}  // namespace trv::kafka
