// The broker's side of a topic: its model state, the batch that the round's appends are gathered
// in, and what of it readers may see yet.
#pragma once

#include <boost/container/deque.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/topics.h"
#include "model/added_once.h"
#include "model/batch.h"
#include "model/claim_group.h"
#include "model/share_cursor.h"
#include "model/topic.h"

namespace trv::broker {

struct Queue;
struct CountedLog;

struct Topic {
  Topic(ShardId shard_id, TopicId id, std::string name, model::TopicSettings settings)
      : shard(shard_id), state(id, std::move(name), std::move(settings)) {
    high_watermarks.resize(static_cast<std::size_t>(state.partition_count()));
  }

  ShardId shard;
  model::Topic state;
  model::ClaimGroups claim_groups;
  model::ShareCursors share_cursors;
  std::unique_ptr<model::AddedOnce> added_once;  // of the few that need one
  std::vector<Queue*> queues;                    // that read this topic; owned by the shard
  Queue* gate = nullptr;          // the one of them that may refuse what is published
  CountedLog* counted = nullptr;  // of a log that counts as a queue
  bool strict = false;            // records of every level wait for the topic's own durability

  // The open batch: records of one origin and partition, not in the journal yet.
  model::BatchBuilder builder;
  model::Origin building_origin = model::Origin::message;
  PartitionIndex building_partition;
  RecordId building_first_id;
  RecordId building_last_id;
  std::uint64_t building_promised = 0;  // bytes of the journal set aside for it
  std::int32_t next_partition = 0;      // for records without a key, one partition a round

  // Durability that this round's appends wait for; the round in which there were any.
  Durability round_level = Durability::memory;
  bool dirty = false;

  // What was appended, in order, and may be shown once it and all before it are durable.
  struct VisibilityStep {
    std::uint64_t number = 0;
    Sequence end;
    RecordId last_id;
    std::vector<Offset> log_ends;
    bool durable = false;
  };
  boost::container::deque<VisibilityStep> steps;
  std::uint64_t next_step = 0;
  Sequence visible_end;
  RecordId visible_last_id;
  std::vector<Offset> high_watermarks;  // by partition
  bool shown_to_writer = false;         // a WriterView sees what is behind visible_end, too

  // Groups read it beside its queues: what those have settled may still be wanted.
  bool has_groups() const { return !claim_groups.empty() || !share_cursors.empty(); }

  // After recovery: everything that was accepted is visible.
  void show_all() {
    visible_end = state.end();
    visible_last_id = state.last_id();
    high_watermarks.resize(static_cast<std::size_t>(state.partition_count()));
    for (std::size_t p = 0; p < high_watermarks.size(); ++p) {
      high_watermarks[p] = state.log_end(PartitionIndex(static_cast<std::int32_t>(p)));
    }
  }
};

}  // namespace trv::broker
