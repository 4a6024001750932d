// Assignors: who ought to have which partition of a consumer group. Pure and deterministic.
//
// Both give every partition of every topic that anybody subscribes to, to exactly one of its
// subscribers.
//   uniform  even, counted over all topics: no partition could go to a subscriber that has at
//            least two less than its owner; keeps of the previous assignment what it can
//   range    per topic, neighbouring partitions to each member, in the order of the members;
//   members
//            with the same subscriptions get the same partitions of topics of the same size
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/consumer_group.h"

namespace trv::model {

// The first is taken when nobody wishes another.
inline constexpr std::array<std::string_view, 2> assignor_names{"uniform", "range"};

struct AssignorMember {
  std::string_view id;
  std::string_view instance_id;             // empty: none
  std::vector<TopicId> topics;              // ascending, all existing
  const TopicPartitions* before = nullptr;  // the target so far; null: none
};

// By member, in their order.
using Assignment = std::vector<TopicPartitions>;
using PartitionCounts = std::map<TopicId, std::int32_t>;

Assignment assign_uniform(const std::vector<AssignorMember>& members,
                          const PartitionCounts& topics);
Assignment assign_range(const std::vector<AssignorMember>& members, const PartitionCounts& topics);

// What most wish, the first of them when there is a draw; empty wishes do not count.
std::string_view choose_assignor(const std::vector<std::string_view>& wishes);

// Requires: `name` is one of assignor_names.
Assignment assign(std::string_view name, const std::vector<AssignorMember>& members,
                  const PartitionCounts& topics);

}  // namespace trv::model
