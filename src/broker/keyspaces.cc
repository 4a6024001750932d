#include "broker/keyspaces.h"

#include "broker/entry.h"
#include "broker/shard_state.h"

namespace trv::broker {

model::Keyspace& Keyspaces::of(std::string_view key) {
  TRV_ASSERT(broker_.owns(key));
  return broker_.shard(key).keyspace;
}

void Keyspaces::prefetch(std::string_view key) {
  const ShardId shard = broker_.shard_of(key);
  if (broker_.owner_of(shard) != broker_.core().index()) return;
  broker_.shard(shard).keyspace.prefetch(key);
}

Result<Commit> Keyspaces::execute(Space space, std::string_view key, ByteView command) {
  ShardState& shard = broker_.shard(key);
  WallTime now = broker_.wall_now();
  const bool stale = expired_ && shard.keyspace.holds_expired(key, now);
  Result<Commit> done = execute_in(space, shard, command);
  // What takes the place of an expired key ends it, too.
  if (done && stale && !shard.keyspace.holds_expired(key, now)) tell_expired(key, *done);
  return done;
}

void Keyspaces::tell_expired(std::string_view name, Commit removal) {
  if (expired_) expired_(name, removal);
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
    std::vector<std::string> keys;
    if (expired_) keys = shard.keyspace.due_keys(now);
    Result<Commit> gone = execute_in(Space::less, shard, command);
    // Refused: tried again at the next tick.
    if (!gone) return;
    dropped += due_count;
    for (const std::string& key : keys) tell_expired(key, *gone);
  });
}

void Keyspaces::each(const std::function<void(model::Keyspace&)>& visit) {
  broker_.each_shard([&visit](ShardState& shard) { visit(shard.keyspace); });
}

}  // namespace trv::broker
