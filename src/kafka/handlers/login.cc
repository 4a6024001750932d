// SaslHandshake and SaslAuthenticate.
#include "broker/catalog.h"
#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {

void handle_sasl_handshake(const Call& call, const wire::SaslHandshakeRequest& request) {
  Login& login = call.session.login();
  wire::SaslHandshakeResponse response;
  if (login.state() != Login::State::expected) {
    // Nobody is asked for a login, or it is done.
    response.error_code = wire_code(ErrorCode::illegal_sasl_state);
    call.reply.send(response);
    return;
  }
  response.mechanisms.emplace_back(login_mechanism);
  if (request.mechanism == login_mechanism) {
    login.begin(call.header.version == 0);
    call.reply.send(response);
    return;
  }
  response.error_code = wire_code(ErrorCode::unsupported_sasl_mechanism);
  call.session.refuse_login(
      [reply = call.reply, response = std::move(response)] { reply.send(response); });
}

void handle_sasl_authenticate(const Call& call, const wire::SaslAuthenticateRequest& request) {
  Login& login = call.session.login();
  wire::SaslAuthenticateResponse response;
  if (login.state() != Login::State::proving) {
    response.error_code = wire_code(ErrorCode::illegal_sasl_state);
    response.error_message = "SaslAuthenticate request received after successful authentication";
    call.reply.send(response);
    return;
  }
  const std::string refusal = login.prove(*call.service.broker().catalog().access(),
                                          request.auth_bytes, call.session.peer().near);
  if (refusal.empty()) {
    // A login lasts as long as its connection: a lifetime of 0.
    call.reply.send(response);
    return;
  }
  response.error_code = wire_code(ErrorCode::sasl_authentication_failed);
  response.error_message = refusal;
  call.session.refuse_login(
      [reply = call.reply, response = std::move(response)] { reply.send(response); });
}

}  // namespace trv::kafka
