// The next step of one member of a consumer group towards its target.
#pragma once

#include <optional>

#include "model/consumer_group.h"

namespace trv::model {

// The member after it has said what it still has (`owned`; absent: not said). `target` is what it
// ought to have, of the epoch `target_epoch`; who has a partition now is read from `group`, where
// `member_id` itself counts as nobody.
ConsumerMember reconcile(const ConsumerGroup& group, const std::string& member_id,
                         ConsumerMember member, std::int32_t target_epoch,
                         const TopicPartitions& target,
                         const std::optional<TopicPartitions>& owned);

}  // namespace trv::model
