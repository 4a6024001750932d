// SegmentEmptying: takes everything that is live out of a set of segments, batch by batch, over all
// topics of a core.
//
// A batch of which nothing is live leaves the index; one that is live by half at most is written
// anew without what is dead; any other moves as it is.
#pragma once

#include <vector>

#include "broker/detail/compaction.h"

namespace trv::broker::detail {

class SegmentEmptying {
 public:
  SegmentEmptying(Broker& broker, Compactor::Segments segments, CompactionCounters& counters);

  // Looks at some batches. `cost` grows by the bytes that were read and written.
  Step step(std::uint64_t& cost);

 private:
  Topic* find(const TopicRef& ref);
  Step step_in(Topic& topic, std::uint64_t& cost);
  Status handle(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost);
  Status move(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost);
  Status finish_drops(Topic& topic);

  Broker& broker_;
  const Compactor::Segments segments_;
  CompactionCounters& counters_;
  std::vector<TopicRef> topics_;
  std::size_t topic_ = 0;  // index of the one that is looked at
  Sequence at_;            // in it
  std::vector<Sequence> dead_;
};

}  // namespace trv::broker::detail
