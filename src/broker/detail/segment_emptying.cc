#include "broker/detail/segment_emptying.h"

#include <limits>

#include "base/log.h"
#include "broker/delays.h"
#include "broker/shard_state.h"
#include "model/cleaning.h"

namespace trv::broker::detail {
namespace {

constexpr int looks_max = 512;  // of one step, at what lies elsewhere
constexpr model::DelayKey before_all_delays{std::numeric_limits<std::int64_t>::min(), 0};
// Leaving the index costs a walk over all of it, so batches leave many at a time; but what they are
// called has to fit into one entry.
constexpr std::size_t dead_max = 65'536;

}  // namespace

SegmentEmptying::SegmentEmptying(Broker& broker, Compactor::Segments segments,
                                 CompactionCounters& counters)
    : broker_(broker),
      segments_(std::move(segments)),
      counters_(counters),
      delayed_last_(before_all_delays) {
  broker_.each_shard([this](ShardState& shard) {
    shards_.push_back(shard.id);
    for (const auto& [name, topic] : shard.topics) {
      if (topic->state.batch_count() > 0) topics_.push_back({shard.id, topic->state.id()});
    }
  });
}

Topic* SegmentEmptying::find(const TopicRef& ref) {
  return broker_.shard(ref.shard).find_topic(ref.id);
}

// What is being published is left alone: it is done with soon, or waits again.
Step SegmentEmptying::step_in_delays(std::uint64_t& cost) {
  const ShardId shard = shards_[shard_];
  for (int looks = 0; looks < looks_max; ++looks) {
    const auto next = broker_.shard(shard).delays.after(delayed_last_);
    if (!next) {
      ++shard_;
      delayed_last_ = before_all_delays;
      return Step::more;
    }
    if (segments_.contains(next->where.blob)) {
      Result<bool> moved = broker_.delays().move(shard, *next);
      if (!moved) return Step::later;
      cost += 2 * std::uint64_t{next->where.length};
      counters_.moved_delays += *moved ? 1 : 0;
      delayed_last_ = next->key;
      return Step::more;
    }
    delayed_last_ = next->key;
  }
  return Step::more;
}

Step SegmentEmptying::step(std::uint64_t& cost) {
  if (shard_ < shards_.size()) return step_in_delays(cost);
  if (topic_ == topics_.size()) return Step::done;
  Topic* topic = find(topics_[topic_]);
  Step result = topic ? step_in(*topic, cost) : Step::done;
  if (result != Step::done) return result;
  if (topic && !finish_drops(*topic)) return Step::later;
  dead_.clear();
  at_ = Sequence{};
  ++topic_;
  return Step::more;
}

// Done: with this topic.
Step SegmentEmptying::step_in(Topic& topic, std::uint64_t& cost) {
  const auto wanted = [this](std::uint64_t blob) { return segments_.contains(blob); };
  at_ = topic.state.skip_segments(at_, looks_max, wanted);
  for (int looks = 0; looks < looks_max; ++looks) {
    model::FoundBatch entry = topic.state.batch_at(at_);
    if (!entry) return Step::done;
    Sequence next = entry->end_sequence();
    if (segments_.contains(entry->blob.blob)) {
      if (!handle(topic, *entry, cost)) return Step::later;
      at_ = next;
      return Step::more;
    }
    at_ = next;
  }
  return Step::more;
}

Status SegmentEmptying::handle(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost) {
  // Who reads committed records needs the marker while any record of the transaction is there.
  if (live_records(topic, entry) > 0 || topic.state.is_last(entry) || entry.control) {
    return move(topic, entry, cost);
  }
  const Sequence first = entry.first_sequence;
  if (dead_.size() == dead_max) {
    if (Status dropped = finish_drops(topic); !dropped) return dropped;
  }
  dead_.push_back(first);
  return {};
}

Status SegmentEmptying::move(Topic& topic, const model::BatchEntry& entry, std::uint64_t& cost) {
  Result<LoadedBatch> batch = load_batch(broker_, entry);
  if (!batch) {
    // Whoever reads it is told, too. It stays where it is, and keeps its segment.
    log::warn("topic {}: the batch at sequence {} cannot be moved: {}", topic.state.name(),
              entry.first_sequence.value, batch.error().message);
    return {};
  }
  cost += batch->bytes.size();
  const Sequence first = entry.first_sequence;
  std::string anew;
  const bool plain = !entry.control && !entry.transactional;
  if (plain && live_records(topic, entry) * 2 <= static_cast<std::uint64_t>(entry.kept)) {
    auto keep = [&](const model::BatchRecord& record) {
      return is_live(topic, entry, first + record.offset_delta);
    };
    Result<model::Rewritten> rewritten = model::rewrite_batch(batch->bytes, batch->header, keep);
    if (!rewritten) {
      log::warn("topic {}: the batch at sequence {} moves as it is: {}", topic.state.name(),
                first.value, rewritten.error().message);
    } else {
      anew = std::move(rewritten->bytes);
    }
  }
  ByteView bytes = anew.empty() ? batch->bytes.view() : ByteView(anew);
  cost += bytes.size();
  return move_batch(broker_, topic, first, bytes, counters_);
}

// Another reader that came meanwhile may want them.
Status SegmentEmptying::finish_drops(Topic& topic) {
  std::erase_if(dead_, [&](Sequence first) {
    model::FoundBatch entry = topic.state.batch_at(first);
    return !entry || entry->first_sequence != first || live_records(topic, *entry) > 0;
  });
  Status dropped = drop_batches(broker_, topic, dead_, counters_);
  if (dropped) dead_.clear();
  return dropped;
}

}  // namespace trv::broker::detail
