// What goes for its age or for want of room, by the topic's settings and by policies.
#include <algorithm>
#include <limits>

#include "base/age.h"
#include "base/mutant.h"
#include "broker/broker.h"
#include "broker/catalog.h"
#include "broker/detail/topics_state.h"
#include "broker/queues.h"
#include "model/policies.h"

namespace trv::broker {
namespace {

using model::Policy;
using model::PolicyClass;
using model::PolicyTarget;

// How often it is looked at.
constexpr std::chrono::seconds retention_interval{5};

// Sizes are those of settings: -1 is no limit.
std::int64_t as_setting(std::uint64_t size) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::int64_t>(std::min(size, most));
}

}  // namespace

bool Topics::State::is_governed(const Topic& topic) const {
  const model::TopicSettings& settings = topic.state.settings();
  return governed && !settings.owned_by_queue && governed(settings);
}

void Topics::let_policies_bear_on(PickTopic picked) {
  state_->governed = std::move(picked);
  state_->broker.each_shard([this](ShardState& shard) {
    for (auto& [name, topic] : shard.topics) {
      if (state_->is_governed(*topic)) state_->broker.queues().adopt_log(*topic);
    }
  });
}

Topics::Governing Topics::governing(const Topic& topic) const {
  const model::Policies& policies = *state_->broker.catalog().policies();
  if (policies.all().empty() || !state_->is_governed(topic)) return {};
  const std::string& name = topic.state.name();
  return {policies.match(PolicyClass::users, PolicyTarget::streams, name),
          policies.match(PolicyClass::operators, PolicyTarget::streams, name)};
}

// Of what both say, the policy wins; the operator's can only make less of it.
Topics::State::Retention Topics::State::retention_of(const Topic& topic) const {
  const model::TopicSettings& settings = topic.state.settings();
  Retention retention{settings.retention_ms, settings.retention_bytes};
  if (TRV_MUTANT(stream_policy_ignored)) return retention;
  const Governing by = broker.topics().governing(topic);
  if (by.policy) {
    const model::PolicyDefinition& wanted = by.policy->definition;
    if (wanted.age_max) retention.ms = parse_age(*wanted.age_max).value_or(retention.ms);
    if (wanted.bytes_max) retention.bytes = as_setting(*wanted.bytes_max);
  }
  if (by.operator_policy && by.operator_policy->definition.bytes_max) {
    const std::int64_t most = as_setting(*by.operator_policy->definition.bytes_max);
    retention.bytes = retention.bytes < 0 ? most : std::min(retention.bytes, most);
  }
  return retention;
}

Sequence Topics::State::retention_point(const Topic& topic, WallTime now) const {
  Sequence point = topic.state.start();
  if (topic.state.settings().cleaning.retention_off) return point;
  const Retention retention = retention_of(topic);
  std::uint64_t bytes = 0;
  for (std::int32_t p = 0; p < topic.state.partition_count(); ++p) {
    bytes += topic.state.log_bytes(PartitionIndex(p));
  }
  const auto partitions = static_cast<std::uint64_t>(topic.state.partition_count());
  const auto wanted = static_cast<std::uint64_t>(retention.bytes);
  constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  const bool limited = retention.bytes >= 0 && wanted <= no_limit / partitions;
  const std::uint64_t bytes_max = limited ? wanted * partitions : no_limit;
  model::FoundBatch entry = topic.state.batch_at(point);
  const Sequence end =
      TRV_MUTANT(retention_cuts_open_transaction) ? topic.state.end() : topic.state.stable_end();
  for (; entry && entry->end_sequence() <= end; entry = topic.state.next(*entry)) {
    bool old = retention.ms >= 0 && entry->max_timestamp < now.ms - retention.ms;
    if (!old && bytes <= bytes_max) break;
    bytes -= std::min<std::uint64_t>(bytes, entry->blob.length);
    point = entry->end_sequence();
  }
  return point;
}

void Topics::tick() {
  state_->drop_expired();
  runtime::SteadyTime now = state_->broker.core().now();
  if (now < state_->next_retention) return;
  state_->next_retention = now + retention_interval;
  state_->broker.each_shard([this](ShardState& shard) {
    for (auto& [name, topic] : shard.topics) {
      Sequence point = state_->retention_point(*topic, state_->broker.wall_now());
      if (point <= topic->state.start()) continue;
      // Refused: tried again when it is looked at next.
      static_cast<void>(trim_to(*topic, std::min(point, topic->visible_end)));
    }
  });
}

}  // namespace trv::broker
