#include "broker/claim_groups.h"

#include "broker/entry.h"
#include "broker/topic_state.h"

namespace trv::broker {

const model::ClaimGroups& ClaimGroups::of(const Topic& topic) const { return topic.claim_groups; }

Result<Commit> ClaimGroups::execute(Topic& topic, ByteView command) {
  WallTime now = broker_.wall_now();
  if (!topic.state.settings().transient) {
    std::string prefix;
    ByteWriter writer(prefix);
    writer.u64_le(topic.state.id().value);
    writer.i64_le(now.ms);
    const ByteView parts[] = {prefix, command};
    auto kept = broker_.journal(Space::less, entry::claim_group, topic.shard, parts);
    if (!kept) return kept.error();
  }
  std::size_t groups_before = topic.claim_groups.all().size();
  Status applied = topic.claim_groups.apply(command, now);
  TRV_ASSERT(applied.ok());
  if (topic.claim_groups.all().size() < groups_before) {
    broker_.topics().notify(topic.state.name());
  }
  return Commit{broker_.tail().round, topic.state.settings().durability};
}

void ClaimGroups::note_seen(Topic& topic, ByteView group, ByteView consumer) {
  topic.claim_groups.note_seen(group, consumer, broker_.wall_now());
}

}  // namespace trv::broker
