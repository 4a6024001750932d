#include "broker/keyspaces.h"

#include "broker/entry.h"
#include "broker/shard_state.h"

namespace trv::broker {

model::Keyspace& Keyspaces::of(std::string_view key) {
  TRV_ASSERT(broker_.owns(key));
  return broker_.shard(key).keyspace;
}

Result<Commit> Keyspaces::execute(Space space, std::string_view key, ByteView command) {
  return execute_in(space, broker_.shard(key), command);
}

Result<Commit> Keyspaces::execute_in(Space space, ShardState& shard, ByteView command) {
  std::string when;
  WallTime now = broker_.wall_now();
  ByteWriter(when).i64_le(now.ms);
  const ByteView parts[] = {when, command};
  auto kept = broker_.journal(space, entry::keyspace, shard.id, parts);
  if (!kept) return kept.error();
  Commit commit = broker_.tail();
  Status applied = shard.keyspace.apply(command, now, commit.round);
  TRV_ASSERT(applied.ok());
  return commit;
}

void Keyspaces::drop_expired() {
  constexpr std::size_t dropped_max = 10'000;  // about; a tick must not hold up its core
  WallTime now = broker_.wall_now();
  std::size_t dropped = 0;
  std::string command;
  model::Keyspace::encode_drop_due(command, now);
  broker_.each_shard([&](ShardState& shard) {
    std::optional<WallTime> due = shard.keyspace.next_expiry();
    if (!due || *due > now || dropped >= dropped_max) return;
    std::size_t due_count = shard.keyspace.due_count(now, dropped_max);
    if (execute_in(Space::less, shard, command)) dropped += due_count;
  });
}

void Keyspaces::each(const std::function<void(model::Keyspace&)>& visit) {
  broker_.each_shard([&visit](ShardState& shard) { visit(shard.keyspace); });
}

}  // namespace trv::broker
