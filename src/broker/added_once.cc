#include "broker/added_once.h"

#include "broker/entry.h"
#include "broker/topic_state.h"

namespace trv::broker {

const model::AddedOnce* AddedOnce::find(Topic& topic) const {
  if (topic.added_once) topic.added_once->forget_expired(broker_.wall_now());
  return topic.added_once.get();
}

Result<Commit> AddedOnce::execute(Topic& topic, Space space, ByteView command) {
  const WallTime now = broker_.wall_now();
  if (!topic.state.settings().transient) {
    std::string prefix;
    ByteWriter writer(prefix);
    writer.u64_le(topic.state.id().value);
    writer.i64_le(now.ms);
    const ByteView parts[] = {prefix, command};
    auto kept = broker_.journal(space, entry::added_once, topic.shard, parts);
    if (!kept) return kept.error();
  }
  if (!topic.added_once) topic.added_once = std::make_unique<model::AddedOnce>();
  Status applied = topic.added_once->apply(command, now);
  TRV_ASSERT(applied.ok());
  return Commit{broker_.tail().round, topic.state.settings().durability};
}

}  // namespace trv::broker
