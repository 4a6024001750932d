// Arguments of declarations and bindings: what they mean, whether they may be, and whether two
// declarations agree.
#pragma once

#include <optional>
#include <string>

#include "amqp/errors.h"
#include "amqp/reader.h"
#include "amqp/wire/methods.gen.h"
#include "broker/queues.h"
#include "model/router.h"

namespace trv::amqp {

// The queue that the method asks for, and why it must not be made, if so. The owner is not set.
struct WantedQueue {
  broker::QueueSettings settings;
  std::optional<Failure> refusal;
};
WantedQueue wanted_queue(std::string_view name, const wire::QueueDeclare& method);

// How a declaration differs from what exists; nothing when it does not.
std::optional<Failure> queue_difference(std::string_view name, const broker::QueueSettings& current,
                                        const broker::QueueSettings& wanted);
std::optional<Failure> exchange_difference(const model::Exchange& current,
                                           const model::Exchange& wanted);

// The criteria that a binding's arguments mean to a headers exchange.
std::optional<model::HeaderRule> header_rule(ByteView arguments, Failure& failure);

// x-stream-offset: first, last, next, a number, a timestamp, or an age as in "7D" or "1h".
std::optional<StreamStart> stream_start(ByteView arguments, WallTime now, Failure& failure);

}  // namespace trv::amqp
