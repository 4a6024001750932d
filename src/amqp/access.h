// What a user may do, in this protocol's words: the refusals with RabbitMQ's texts.
//
// Rights are looked up anew when they changed, so that a change reaches live connections with their
// next method.
#pragma once

#include <optional>
#include <string_view>

#include "amqp/session.h"
#include "auth/directory.h"

namespace trv::amqp {

using Refusal = std::optional<Failure>;

// Nothing when the user may. Names are the broker's; rights are compared with what they are
// locally.
Refusal refuse_queue(Session& session, auth::Right right, std::string_view queue);
// The default exchange goes by the name amq.default.
Refusal refuse_exchange(Session& session, auth::Right right, std::string_view exchange);
// For those who only ask whether it is there: any of the rights will do.
Refusal refuse_queue_sight(Session& session, std::string_view queue);
Refusal refuse_exchange_sight(Session& session, std::string_view exchange);
// Of messages with this key, at a topic exchange.
Refusal refuse_key(Session& session, auth::Right right, const model::Exchange& exchange,
                   std::string_view key);

}  // namespace trv::amqp
