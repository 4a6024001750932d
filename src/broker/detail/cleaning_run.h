// CleaningRun: one pass over one partition that leaves only the newest record of each key in it
// (model/cleaning.h), batch by batch.
#pragma once

#include <optional>
#include <vector>

#include "broker/detail/compaction.h"
#include "model/cleaning.h"

namespace trv::broker::detail {

// The part of the partition that is worth cleaning now, if any.
std::optional<model::CleanRange> cleaning_due(Broker& broker, Topic& topic,
                                              PartitionIndex partition);

class CleaningRun {
 public:
  // `seed` is random.
  CleaningRun(Broker& broker, TopicRef topic, PartitionIndex partition, std::uint64_t seed,
              CompactionCounters& counters);

  // Works on one batch. `cost` grows by the bytes that were read and written.
  Step step(std::uint64_t& cost);

 private:
  enum class Phase : std::uint8_t {
    begin,  // nothing looked at yet
    map,    // reading the keys of the dirty part
    sweep,  // leaving out what is superseded, from the log's start on
  };

  Step begin(Topic& topic);
  Step map_one(Topic& topic, std::uint64_t& cost);
  Step sweep_one(Topic& topic, std::uint64_t& cost);
  Status clean(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost);
  Status store(Topic& topic, Sequence first, const LoadedBatch& batch,
               const std::vector<bool>& keep, std::optional<std::int64_t> until,
               std::uint64_t& cost);
  Step finish(Topic& topic);

  Broker& broker_;
  const TopicRef ref_;
  const PartitionIndex partition_;
  CompactionCounters& counters_;
  Phase phase_ = Phase::begin;
  model::CleanRange range_;
  model::KeyMap keys_;
  Offset at_;
  std::int64_t tombstone_due_ms_ = -1;
  std::vector<Sequence> dead_;
};

}  // namespace trv::broker::detail
