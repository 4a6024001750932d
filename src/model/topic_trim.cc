// Trimming: forgetting records at the beginning of a topic, or of one of its partitions.
#include <algorithm>

#include "model/topic.h"

namespace trv::model {

Sequence Topic::first_left(const BatchEntry& entry) const {
  Sequence first = std::max(start_, entry.first_sequence);
  Offset start = partition(entry.partition).start;
  if (start > entry.base_offset) {
    first = std::max(first, entry.first_sequence + (start - entry.base_offset));
  }
  return first;
}

void Topic::uncount(const BatchEntry& entry, Sequence end) {
  Sequence first = first_left(entry);
  if (end <= first) return;
  if (open(entry)) {
    OpenTransaction& transaction = open_.find({entry.partition, entry.producer_id})->second;
    transaction.record_count -= static_cast<std::uint64_t>(end - first);
  } else {
    live_count_ -= live_in(entry, first) - live_in(entry, end);
  }
}

void Topic::drop_front() {
  const BatchEntry entry = batches_.front();
  PartitionLog& log = partition(entry.partition);
  log.start = std::max(log.start, entry.end_offset());
  log.bytes -= std::min<std::uint64_t>(log.bytes, entry.blob.length);
  if (!single()) log.ordinals.pop_front();
  batches_.pop_front();
  ++first_ordinal_;
}

void Topic::apply_trim(Sequence sequence) {
  TRV_ASSERT(sequence <= end_);
  if (sequence <= start_) return;
  while (!batches_.empty() && batches_.front().end_sequence() <= sequence) {
    const BatchEntry front = batches_.front();
    uncount(front, front.end_sequence());
    drop_front();
  }
  if (!batches_.empty() && batches_.front().first_sequence < sequence) {
    const BatchEntry front = batches_.front();
    uncount(front, sequence);
    Offset& start = partition(front.partition).start;
    start = std::max(start, front.base_offset + (sequence - front.first_sequence));
  }
  start_ = sequence;
  for (PartitionLog& log : partitions_) log.producers.trim(log.start);
  erased_.erase(erased_.begin(), erased_.lower_bound(sequence));
}

void Topic::apply_trim_partition(PartitionIndex p, Offset offset) {
  PartitionLog& log = partition(p);
  TRV_ASSERT(offset <= log.end);
  if (offset <= log.start) return;
  if (single()) {
    apply_trim(Sequence(offset.value));
    log.start = std::max(log.start, offset);
    return;
  }
  std::vector<Sequence> whole;
  for (std::uint64_t ordinal : log.ordinals) {
    const BatchEntry entry = by_ordinal(ordinal);
    if (entry.base_offset >= offset) break;
    Sequence end =
        std::min(entry.end_sequence(), entry.first_sequence + (offset - entry.base_offset));
    uncount(entry, end);
    erased_.erase(erased_.lower_bound(entry.first_sequence), erased_.lower_bound(end));
    if (entry.end_offset() > offset) break;
    log.bytes -= std::min<std::uint64_t>(log.bytes, entry.blob.length);
    whole.push_back(entry.first_sequence);
  }
  log.start = offset;
  log.producers.trim(offset);
  holes_ = true;
  if (batches_.erase(whole, [](const BatchEntry&) { return true; })) count_ordinals();
  start_ = batches_.empty() ? end_ : std::max(start_, first_left(batches_.front()));
}

}  // namespace trv::model
