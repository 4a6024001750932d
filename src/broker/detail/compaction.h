// The compactor's steps: what is live of a batch, and its change of place.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/broker.h"
#include "broker/compactor.h"
#include "broker/topic_state.h"
#include "model/topic.h"

namespace trv::broker::detail {

// What a step of a longer work came to.
enum class Step : std::uint8_t {
  more,   // go on
  later,  // the journal has no place now: again in a while
  done,
};

// A topic may go while work on it waits.
struct TopicRef {
  ShardId shard;
  TopicId id;
};

// The one queue that alone decides what of its log is live: its settled records are nobody's. Null
// when others read the log, too.
const Queue* sole_reader(const Topic& topic);
// Records of the batch that somebody may read, or that must stay for other reasons; an upper bound.
std::uint64_t live_records(const Topic& topic, const model::BatchEntry& entry);
bool is_live(const Topic& topic, const model::BatchEntry& entry, Sequence sequence);
void count_segments(const Topic& topic, Broker::SegmentBytes& out);

// A stored batch that was read and, unless it is in memory still, checked.
struct LoadedBatch {
  Slice bytes;
  model::BatchHeader header;
};
Result<LoadedBatch> load_batch(Broker& broker, const model::BatchEntry& entry);

// Journals `batch` in the place of the topic's batch at `first`, and changes the index.
// Errors: as Broker::promise(); then nothing has changed.
Status move_batch(Broker& broker, Topic& topic, Sequence first, ByteView batch,
                  CompactionCounters& counters);
// Journals that these batches (ascending) are gone, and changes the index. Errors: as above.
Status drop_batches(Broker& broker, Topic& topic, const std::vector<Sequence>& firsts,
                    CompactionCounters& counters);

}  // namespace trv::broker::detail
