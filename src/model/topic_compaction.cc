// What the compactor does to a topic's index: batches move, lose records, or go.
#include <algorithm>

#include "model/topic.h"

namespace trv::model {

bool Topic::apply_moved(Sequence first, const BatchHeader& header, const BlobRange& blob) {
  const std::size_t index = batches_.first_behind(first);
  if (index >= batches_.size()) return false;
  BatchEntry entry = batches_.at(index);
  if (entry.first_sequence != first || entry.base_offset != header.base_offset ||
      entry.count != header.last_offset_delta + 1 || header.record_count <= 0 ||
      header.record_count > entry.kept) {
    return false;
  }
  std::uint64_t live_before = live_in(entry, start_);
  PartitionLog& log = partition(entry.partition);
  log.bytes -= std::min<std::uint64_t>(log.bytes, entry.blob.length);
  log.bytes += blob.length;
  entry.blob = blob;
  const bool thinned = header.record_count < entry.kept;
  if (thinned) {
    entry.kept = header.record_count;
    entry.max_timestamp = header.max_timestamp;
  }
  batches_.replace(index, entry);
  if (!thinned) return true;
  // Erased records are among those that are left out.
  holes_ = true;
  erased_.erase(erased_.lower_bound(entry.first_sequence),
                erased_.lower_bound(entry.end_sequence()));
  live_count_ -= live_before;
  live_count_ += live_in(entry, start_);
  return true;
}

void Topic::apply_drop(std::span<const Sequence> firsts) {
  auto is_dropped = [&](const BatchEntry& entry) {
    if (is_last(entry)) return false;
    PartitionLog& log = partition(entry.partition);
    log.bytes -= std::min<std::uint64_t>(log.bytes, entry.blob.length);
    live_count_ -= live_in(entry, start_);
    erased_.erase(erased_.lower_bound(entry.first_sequence),
                  erased_.lower_bound(entry.end_sequence()));
    return true;
  };
  if (!batches_.erase(firsts, is_dropped)) return;
  holes_ = true;
  if (!single()) count_ordinals();
}

void Topic::count_ordinals() {
  for (PartitionLog& log : partitions_) log.ordinals.clear();
  std::uint64_t ordinal = first_ordinal_;
  batches_.each(
      [&](const BatchEntry& entry) { partition(entry.partition).ordinals.push_back(ordinal++); });
}

void Topic::apply_cleaned(PartitionIndex p, CleanMark mark) {
  CleanMark& clean = partition(p).clean;
  clean.end = std::max(clean.end, mark.end);
  clean.tombstone_due_ms = mark.tombstone_due_ms;
}

}  // namespace trv::model
