#include "broker/keyspaces.h"

#include "broker/entry.h"
#include "broker/shard_state.h"

namespace trv::broker {

model::Keyspace& Keyspaces::of(std::string_view key) {
  TRV_ASSERT(broker_.owns(key));
  return broker_.shard(key).keyspace;
}

Commit Keyspaces::execute(std::string_view key, ByteView command) {
  ShardState& shard = broker_.shard(key);
  std::string when;
  WallTime now = broker_.wall_now();
  ByteWriter(when).i64_le(now.ms);
  const ByteView parts[] = {when, command};
  broker_.journal(entry::keyspace, shard.id, parts);
  Commit commit = broker_.tail();
  Status applied = shard.keyspace.apply(command, now, commit.round);
  TRV_ASSERT(applied.ok());
  return commit;
}

void Keyspaces::each(const std::function<void(model::Keyspace&)>& visit) {
  broker_.each_shard([&visit](ShardState& shard) { visit(shard.keyspace); });
}

}  // namespace trv::broker
