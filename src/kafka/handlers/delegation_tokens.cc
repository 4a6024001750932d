// CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken, DescribeDelegationToken:
// refused, as by a Kafka without a secret key for tokens.
#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

// Who has not logged in is told that such requests are not for him, before all else.
ErrorCode refusal(const Call& call) {
  return call.session.login().state() == Login::State::done
             ? ErrorCode::delegation_token_auth_disabled
             : ErrorCode::delegation_token_request_not_allowed;
}

}  // namespace

void handle_create_delegation_token(const Call& call,
                                    const wire::CreateDelegationTokenRequest& request) {
  wire::CreateDelegationTokenResponse response;
  response.error_code = wire_code(refusal(call));
  response.principal_type = "User";
  response.principal_name = call.session.login().user();
  response.requester_principal_type = response.principal_type;
  response.requester_principal_name = response.principal_name;
  if (request.owner_principal_name && !request.owner_principal_name->empty()) {
    response.principal_type = std::string(request.owner_principal_type.value_or(ByteView()));
    response.principal_name = std::string(*request.owner_principal_name);
  }
  response.issue_timestamp_ms = response.expiry_timestamp_ms = response.max_timestamp_ms = -1;
  call.reply.send(response);
}

void handle_renew_delegation_token(const Call& call, const wire::RenewDelegationTokenRequest&) {
  wire::RenewDelegationTokenResponse response;
  response.error_code = wire_code(refusal(call));
  response.expiry_timestamp_ms = -1;
  call.reply.send(response);
}

void handle_expire_delegation_token(const Call& call, const wire::ExpireDelegationTokenRequest&) {
  wire::ExpireDelegationTokenResponse response;
  response.error_code = wire_code(refusal(call));
  response.expiry_timestamp_ms = -1;
  call.reply.send(response);
}

void handle_describe_delegation_token(const Call& call,
                                      const wire::DescribeDelegationTokenRequest&) {
  wire::DescribeDelegationTokenResponse response;
  response.error_code = wire_code(refusal(call));
  call.reply.send(response);
}

}  // namespace trv::kafka
