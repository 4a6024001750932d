// DescribeAcls, CreateAcls, DeleteAcls: refused, as by a Kafka without an authorizer.
#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

constexpr std::string_view refusal = "No Authorizer is configured.";
// In all four enumerations of an entry. Such a request does not parse, in Kafka's eyes.
constexpr std::int8_t element_unknown = 0;

template <class Entry>
bool has_unknown(const Entry& entry) {
  return entry.resource_type == element_unknown || entry.pattern_type == element_unknown ||
         entry.operation == element_unknown || entry.permission_type == element_unknown;
}

// An answer to each of the entries, or the end of the connection.
template <class Response, class Entries>
void refuse_each(const Call& call, const Entries& entries) {
  if (std::any_of(entries.begin(), entries.end(), [](auto& entry) { return has_unknown(entry); })) {
    return call.reply.close();
  }
  Response response;
  response.results.resize(entries.size());
  for (auto& result : response.results) {
    result.error_code = wire_code(ErrorCode::security_disabled);
    result.error_message = std::string(refusal);
  }
  call.reply.send(response);
}

}  // namespace

void handle_describe_acls(const Call& call, const wire::DescribeAclsRequest& request) {
  if (has_unknown(request)) return call.reply.close();
  wire::DescribeAclsResponse response;
  response.error_code = wire_code(ErrorCode::security_disabled);
  response.error_message = std::string(refusal);
  call.reply.send(response);
}

void handle_create_acls(const Call& call, const wire::CreateAclsRequest& request) {
  refuse_each<wire::CreateAclsResponse>(call, request.creations);
}

void handle_delete_acls(const Call& call, const wire::DeleteAclsRequest& request) {
  refuse_each<wire::DeleteAclsResponse>(call, request.filters);
}

}  // namespace trv::kafka
