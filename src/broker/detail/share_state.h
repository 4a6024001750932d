// How share cursors change together with what is noted of it, live and in replay.
#pragma once

#include "broker/shard_state.h"

namespace trv::broker::detail {

// Errors: corrupt.
inline Status apply_share_command(ShardState& shard, Topic& topic, ByteView command) {
  // What is not durable is told to nobody who keeps a copy.
  if (topic.state.settings().transient) return topic.share_cursors.apply(command);
  return topic.share_cursors.apply(command, [&](std::string_view group, PartitionIndex partition) {
    if (!shard.share_changes.changes().is_followed()) return;
    shard.share_changes.note({topic.state.id(), std::string(group), partition});
  });
}

inline void note_share_cursors(ShardState& shard, const Topic& topic) {
  if (topic.state.settings().transient) return;
  shard.share_changes.note_all(topic.state.id(), topic.share_cursors);
}

// Errors: corrupt.
inline Status apply_share_feed(ShardState& shard, ByteView command) {
  Result<bool> begins = shard.share_changes.apply(command);
  if (!begins) return begins.error();
  if (!*begins) return {};
  for (const auto& [id, topic] : shard.topics_by_id) note_share_cursors(shard, *topic);
  return {};
}

}  // namespace trv::broker::detail
