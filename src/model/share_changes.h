// ShareChanges: which share cursors of a shard's topics have changed (model/change_feed.h). The
// cursors are their topics' (model/share_cursor.h); this goes on when a topic is removed, so that
// the end of its cursors is told, too.
//
// Owner: the shard. Its commands are the feed's steps; whoever applies a command to share cursors,
// or removes a topic, notes what changed by it, in replay too. Bytes: docs/formats/change-feed.md.
#pragma once

#include <string>

#include "model/change_feed.h"
#include "model/share_cursor.h"

namespace trv::model {

struct ShareCursorKey {
  TopicId topic;
  std::string group;
  PartitionIndex partition;
  auto operator<=>(const ShareCursorKey&) const = default;
};

class ShareChanges {
 public:
  using Key = ShareCursorKey;

  const ChangeFeed<Key>& changes() const { return changes_; }
  void note(const Key& key) { changes_.note(key); }
  // All cursors of one topic.
  void note_all(TopicId topic, const ShareCursors& cursors);

  static std::string encode_feed(FeedStep step);
  // Errors: corrupt. True when the step begins: note_all() of every topic follows.
  Result<bool> apply(ByteView command);

  std::string snapshot() const;
  // Errors: corrupt.
  Status restore(ByteView snapshot);

  bool operator==(const ShareChanges&) const = default;

 private:
  ChangeFeed<Key> changes_;
};

}  // namespace trv::model
