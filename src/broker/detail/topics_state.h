// The inside of Topics: what a core keeps beside its shards' topics, and the steps of a round.
#pragma once

#include <compare>
#include <cstdint>
#include <list>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "broker/detail/cursor_cache.h"
#include "broker/shard_state.h"
#include "broker/topics.h"

namespace trv::broker {

struct Topics::State {
  explicit State(Broker& b) : broker(b) {}

  struct Watcher {
    WatchId id;
    UniqueFunction<void()> woken;
  };

  Broker& broker;
  std::vector<Topic*> dirty;  // appended to in this round
  std::unordered_map<std::string, std::list<Watcher>> watchers;
  std::unordered_set<std::string> woken;  // run_watchers() is posted
  WatchId next_watch = 1;
  std::size_t watcher_count = 0;
  runtime::SteadyTime next_retention{};
  // The topics of this core that expire, by when.
  struct Expiry {
    WallTime when;
    ShardId shard;
    TopicId id;
    auto operator<=>(const Expiry&) const = default;
  };
  std::set<Expiry> expiries;
  PickTopic governed;  // null: none
  // Whether policies for streams bear on it: then it counts as a queue, too.
  bool is_governed(const Topic& topic) const;
  detail::CursorCache cursors;
  std::string headers_scratch;  // of one append

  static Topic* insert(ShardState& shard, TopicId id, const std::string& name,
                       const model::TopicSettings& settings);
  static void erase(ShardState& shard, Topic& topic);
  static void apply_settings(Topic& topic, const model::TopicSettings& settings);
  struct Retention {
    std::int64_t ms;     // as in TopicSettings
    std::int64_t bytes;  // the same
  };
  Retention retention_of(const Topic& topic) const;
  Sequence retention_point(const Topic& topic, WallTime now) const;

  // Up to where readers by sequence and id may go now.
  Sequence readable_end(Topic& topic);
  // Puts the open batch into the journal and the index.
  void seal(Topic& topic);
  // Registers that something was appended in this round, to be shown at `level`.
  void mark_dirty(Topic& topic, Durability level);
  void end_round();
  void show(Topic& topic, std::uint64_t step);
  void run_watchers(const std::string& name);
  // Keep `expiries` when a topic comes or goes, or before and after its settings change.
  void note_expiry(const Topic& topic);
  void forget_expiry(const Topic& topic);
  bool expired(const Topic& topic) const;
  Status remove_expired(std::string_view name);
  // Removes what has expired. Once a tick.
  void drop_expired();
  // --- reading what may be on the disk only
  // In which order a reader goes on.
  using NextBatch = model::FoundBatch (model::Topic::*)(const model::BatchEntry&) const;
  // A batch's bytes; nothing when they have to come from the disk: then they are on their way, and
  // what comes behind, too.
  Result<std::optional<storage::Journal::Blob>> try_read(const Topic& topic,
                                                         const model::BatchEntry& entry,
                                                         NextBatch next);
  // Has read in advance from `entry` on.
  static void read_ahead(Broker& broker, const Topic& topic, model::FoundBatch entry,
                         NextBatch next);
  // Topics::read(), and read_warm() with a `cold`.
  Result<Sequence> read(Topic& topic, Sequence from, const Visit& visit,
                        std::optional<BlobRange>* cold);
  // Opens the batch, at or before the record at `at`; nothing as try_read().
  Result<std::optional<detail::RecordCursor>> open_warm(const Topic& topic,
                                                        const model::BatchEntry& entry,
                                                        Sequence at);
  // Nothing of this round may touch the topic any more.
  void forget(Topic& topic);

  // Journals one batch (header fields already in place in `head`) and applies it.
  struct BatchParts {
    PartitionIndex partition;
    RecordId first_id;
    RecordId last_id;
    bool marker_commits = false;
    std::int32_t coordinator_epoch = 0;
    std::span<const ByteView> bytes;  // of the stored batch, one after the other
    model::BatchHeader header;
    std::uint64_t promised = 0;  // by Broker::promise()
  };
  void store(Topic& topic, const BatchParts& parts);
};

}  // namespace trv::broker
