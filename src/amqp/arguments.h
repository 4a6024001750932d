// Arguments of declarations and bindings: what they mean, whether they may be, and whether two
// declarations agree.
#pragma once

#include <chrono>
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
  bool stream = false;  // of type stream: a log (stream_queue.h), and no queue
};
// `name` is the broker's, and what the arguments name is in its virtual host.
WantedQueue wanted_queue(std::string_view name, const wire::QueueDeclare& method);

// The exchange that the method asks for; names as above.
struct WantedExchange {
  model::Exchange exchange;
  std::optional<Failure> malformed;  // why the method is refused in any case
  std::optional<Failure> refusal;    // why the exchange must not be made, if it is not there
};
WantedExchange wanted_exchange(const std::string& name, const wire::ExchangeDeclare& method);
// Its type as error texts show it: names with a dash in quotes of their own.
std::string type_text(const model::Exchange& exchange);
// Why the key of a binding is no weight; nothing when it is one.
std::optional<Failure> refuse_weight(std::string_view key);

// How a declaration differs from what exists; nothing when it does not.
std::optional<Failure> queue_difference(std::string_view name, const broker::QueueSettings& current,
                                        const broker::QueueSettings& wanted);
std::optional<Failure> exchange_difference(const model::Exchange& current,
                                           const model::Exchange& wanted);

// The criteria that a binding's arguments mean to a headers exchange.
std::optional<model::HeaderRule> header_rule(ByteView arguments, Failure& failure);

// How long a delivery from a queue declared so may wait for its settlement (x-consumer-timeout);
// nothing: for ever.
std::optional<std::chrono::milliseconds> settle_time_max(ByteView arguments);

// x-stream-offset: first, last, next, a number, a timestamp, or an age as in "7D" or "1h".
std::optional<StreamStart> stream_start(ByteView arguments, WallTime now, Failure& failure);

}  // namespace trv::amqp
