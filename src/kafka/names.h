// Topic names and ids as Kafka clients see them.
#pragma once

#include <string_view>

#include "base/ids.h"
#include "kafka/wire/codec.h"

namespace trv::kafka {

// 1-249 of [a-zA-Z0-9._-], not "." or "..". Other topics exist but are not shown to Kafka clients.
bool valid_topic_name(std::string_view name);

// Kafka's ids have 128 bits: ours with a fixed upper half.
wire::Uuid topic_uuid(TopicId id);
// The reverse; of an id that is none of ours, one that no topic has.
TopicId topic_id(const wire::Uuid& uuid);

}  // namespace trv::kafka
