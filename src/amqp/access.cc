#include "amqp/access.h"

#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"

namespace trv::amqp {

namespace {

constexpr std::string_view default_exchange = "amq.default";

std::string_view word_of(auth::Right right) {
  switch (right) {
    case auth::Right::configure:
      return "configure";
    case auth::Right::write:
      return "write";
    case auth::Right::read:
      return "read";
  }
  return "";
}

Failure refused(std::string_view what, const std::string& resource, const std::string& user) {
  return {ReplyCode::access_refused,
          std::string(what) + "access to " + resource + " refused for user '" + user + "'"};
}

bool may_any(const auth::Rights* rights, std::string_view name) {
  return TRV_MUTANT(anyone_may_ask_what_is_there) ||
         (rights &&
          (rights->allow(auth::Right::configure, name) || rights->allow(auth::Right::write, name) ||
           rights->allow(auth::Right::read, name)));
}

std::string_view shown(std::string_view exchange) {
  return exchange.empty() ? default_exchange : local_name(exchange);
}

std::string resource_of(const Session& session, std::string_view exchange) {
  return exchange_resource(exchange.empty() ? session.exchange_name(default_exchange)
                                            : std::string(exchange));
}

}  // namespace

const auth::Rights* Session::rights() {
  const auto& now = broker().catalog().access();
  if (now != access_ && !(access_ && TRV_MUTANT(rights_of_the_login_stay))) {
    access_ = now;
    rights_ = access_->rights(user_, TRV_MUTANT(rights_of_the_first_vhost) ? first_scope : vhost_);
  }
  return rights_;
}

Refusal refuse_queue(Session& session, auth::Right right, std::string_view queue) {
  const auth::Rights* rights = session.rights();
  if ((rights && rights->allow(right, local_name(queue))) || TRV_MUTANT(queue_rights_ignored))
    return std::nullopt;
  return refused(std::string(word_of(right)) + " ", queue_resource(queue), session.user());
}

Refusal refuse_exchange(Session& session, auth::Right right, std::string_view exchange) {
  const auth::Rights* rights = session.rights();
  if ((rights && rights->allow(right, shown(exchange))) || TRV_MUTANT(exchange_rights_ignored)) {
    return std::nullopt;
  }
  return refused(std::string(word_of(right)) + " ", resource_of(session, exchange), session.user());
}

Refusal refuse_queue_sight(Session& session, std::string_view queue) {
  if (may_any(session.rights(), local_name(queue))) return std::nullopt;
  return refused("", queue_resource(queue), session.user());
}

Refusal refuse_exchange_sight(Session& session, std::string_view exchange) {
  if (may_any(session.rights(), shown(exchange))) return std::nullopt;
  return refused("", resource_of(session, exchange), session.user());
}

Refusal refuse_key(Session& session, auth::Right right, const model::Exchange& exchange,
                   std::string_view key) {
  if (exchange.kind != model::ExchangeKind::topic || TRV_MUTANT(topic_rights_ignored))
    return std::nullopt;
  const auth::Rights* rights = session.rights();
  if (!rights || rights->allow_key(right, local_name(exchange.name), key)) return std::nullopt;
  return Failure{ReplyCode::access_refused, std::string(word_of(right)) + " access to topic '" +
                                                std::string(key) + "' in " +
                                                exchange_resource(exchange.name) +
                                                " refused for user '" + session.user() + "'"};
}

}  // namespace trv::amqp
