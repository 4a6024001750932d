// Who gets which partitions when several members may share one: the assignor "simple" of groups
// whose members acknowledge record by record. Pure and deterministic.
//
// Members with the same subscriptions are served together. Among them
//   - each partition of their topics has at least one member, and each member at least one
//     partition, as long as there is any;
//   - with more partitions than members each partition has one member, else each member has one
//     partition; and nobody has two more than another, nor has a partition;
//   - as much as that allows stays as it was.
#pragma once

#include <string_view>
#include <vector>

#include "model/consumer_assignor.h"

namespace trv::model {

inline constexpr std::string_view share_assignor_name = "simple";

// `instance_id` of the members is not looked at.
Assignment assign_shared(const std::vector<AssignorMember>& members, const PartitionCounts& topics);

}  // namespace trv::model
