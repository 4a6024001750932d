#include "model/share_changes.h"

namespace trv::model {

void ShareChanges::note_all(TopicId topic, const ShareCursors& cursors) {
  if (!changes_.is_followed()) return;
  for (const auto& [group, partitions] : cursors.all()) {
    for (const auto& [index, cursor] : partitions) note({topic, group, PartitionIndex(index)});
  }
}

std::string ShareChanges::encode_feed(FeedStep step) {
  std::string bytes;
  ByteWriter out(bytes);
  write_feed_step(out, step);
  return bytes;
}

Result<bool> ShareChanges::apply(ByteView command) {
  ByteReader in(command);
  const FeedStep step = read_feed_step(in);
  if (!in.done()) return Error{Errc::corrupt, "share changes: damaged or unknown command"};
  changes_.apply(step);
  return step.kind == FeedStep::Kind::begin;
}

std::string ShareChanges::snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  changes_.write(out, [](ByteWriter& to, const Key& key) {
    to.varint(key.topic.value);
    to.sized(key.group);
    to.varint_signed(key.partition.value);
  });
  return bytes;
}

Status ShareChanges::restore(ByteView snapshot) {
  ByteReader in(snapshot);
  ChangeFeed<Key> fresh;
  fresh.read(in, [](ByteReader& from) {
    const TopicId topic(from.varint());
    std::string group(from.sized());
    const auto partition = static_cast<std::int32_t>(from.varint_signed());
    return Key{topic, std::move(group), PartitionIndex(partition)};
  });
  if (!in.done()) return Error{Errc::corrupt, "share changes: damaged snapshot"};
  changes_ = std::move(fresh);
  return {};
}

}  // namespace trv::model
