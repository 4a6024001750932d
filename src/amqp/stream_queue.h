// Queues of type stream: logs with a limit of age or size that were declared over this protocol.
// What a declaration said is kept with the log's own settings; consumers read it as they read any
// log that is no queue (reader.h).
#pragma once

#include <optional>
#include <string>

#include "amqp/arguments.h"
#include "broker/topics.h"

namespace trv::amqp {

// The log that a declaration asks for. Requires: its arguments were checked.
model::TopicSettings stream_log(const broker::QueueSettings& wanted);

// The arguments with which the log was declared as a stream; nothing when it was not.
std::optional<ByteView> stream_arguments(const model::TopicSettings& log);

// From now on policies bear on them, and they count as queues of their virtual hosts.
void govern_streams(broker::Topics& topics);

// How a declaration differs from the log that is there; nothing when it does not. A log that others
// made may be declared as a stream by its own limits.
std::optional<Failure> stream_difference(std::string_view name, const model::TopicSettings& log,
                                         const WantedQueue& wanted);

}  // namespace trv::amqp
