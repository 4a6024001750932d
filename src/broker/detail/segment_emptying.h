// SegmentEmptying: takes everything that is live out of a set of segments: first what exchanges of
// this core keep back, message by message, then its topics, batch by batch.
//
// A batch of which nothing is live leaves the index; one that is live by half at most is written
// anew without what is dead; any other moves as it is.
#pragma once

#include <vector>

#include "broker/detail/compaction.h"
#include "model/delays.h"

namespace trv::broker::detail {

class SegmentEmptying {
 public:
  SegmentEmptying(Broker& broker, Compactor::Segments segments, CompactionCounters& counters);

  // Looks at some messages or batches. `cost` grows by the bytes that were read and written.
  Step step(std::uint64_t& cost);

 private:
  Step step_in_delays(std::uint64_t& cost);
  Topic* find(const TopicRef& ref);
  Step step_in(Topic& topic, std::uint64_t& cost);
  Status handle(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost);
  Status move(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost);
  Status finish_drops(Topic& topic);

  Broker& broker_;
  const Compactor::Segments segments_;
  CompactionCounters& counters_;
  std::vector<ShardId> shards_;
  std::size_t shard_ = 0;         // index of the one whose delays are looked at
  model::DelayKey delayed_last_;  // looked at in it
  std::vector<TopicRef> topics_;
  std::size_t topic_ = 0;  // index of the one that is looked at
  Sequence at_;            // in it
  std::vector<Sequence> dead_;
};

}  // namespace trv::broker::detail
