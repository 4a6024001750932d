#include "model/cleaning.h"

#include <xxhash.h>

#include <algorithm>

#include "base/crc32c.h"
#include "base/mutant.h"

namespace trv::model {

std::vector<std::uint64_t> choose_segments(std::vector<SegmentUse> segments,
                                           std::uint64_t live_max) {
  std::sort(segments.begin(), segments.end(),
            [](const SegmentUse& a, const SegmentUse& b) { return a.blob < b.blob; });
  std::vector<std::uint64_t> chosen;
  std::uint64_t live = 0;
  for (const SegmentUse& segment : segments) {
    if (segment.live >= segment.size / 2) continue;
    if (!chosen.empty() && live + segment.live > live_max) continue;
    live += segment.live;
    chosen.push_back(segment.blob);
  }
  return chosen;
}

// --- batches -------------------------------------------------------------------------------------

namespace {

// The header of a batch anew, with its length and checksum, and the records behind it.
std::string assemble(const BatchHeader& header, ByteView records) {
  std::string out;
  out.reserve(batch_header_size + records.size());
  ByteWriter writer(out);
  writer.i64(header.base_offset.value);
  writer.i32(static_cast<std::int32_t>(batch_header_size - 12 + records.size()));
  writer.i32(header.leader_epoch);
  writer.i8(batch_magic);
  writer.u32(0);
  writer.i16(header.attributes);
  writer.i32(header.last_offset_delta);
  writer.i64(header.base_timestamp);
  writer.i64(header.max_timestamp);
  writer.i64(header.producer_id.value);
  writer.i16(header.producer_epoch);
  writer.i32(header.base_sequence);
  writer.i32(header.record_count);
  TRV_ASSERT(out.size() == batch_header_size);
  out.append(records);
  writer.patch_u32(17, crc32c(0, ByteView(out).substr(batch_crc_begin)));
  return out;
}

}  // namespace

Result<Rewritten> rewrite_batch(const Slice& batch, const BatchHeader& header,
                                const std::function<bool(const BatchRecord&)>& keep,
                                std::optional<std::int64_t> tombstones_until_ms) {
  Result<Slice> records = batch_records(batch, header);
  if (!records) return records.error();
  BatchHeader out = header;
  if (tombstones_until_ms) {
    out.base_timestamp = *tombstones_until_ms;
    out.attributes |= batch_attributes::delete_horizon;
  }
  const bool append_time = (header.attributes & batch_attributes::append_time) != 0;
  Rewritten rewritten;
  std::string kept_records;
  std::int64_t newest = 0;
  BatchRecordReader reader(records->view(), header.record_count);
  BatchRecord record;
  while (reader.next(record)) {
    if (!keep(record)) continue;
    std::int64_t timestamp = header.base_timestamp + record.timestamp_delta;
    newest = rewritten.kept == 0 ? timestamp : std::max(newest, timestamp);
    record.timestamp_delta = timestamp - out.base_timestamp;
    append_record(kept_records, record);
    ++rewritten.kept;
  }
  if (!reader.ok()) return Error{Errc::corrupt, "records are damaged"};
  const bool changed = rewritten.kept < header.record_count || tombstones_until_ms;
  if (rewritten.kept == 0 || !changed) return rewritten;
  out.record_count = rewritten.kept;
  if (!append_time) out.max_timestamp = newest;
  if (header.compression() == Compression::none) {
    rewritten.bytes = assemble(out, kept_records);
    return rewritten;
  }
  Result<std::string> packed = compress(header.compression(), kept_records);
  if (!packed) return packed.error();
  rewritten.bytes = assemble(out, *packed);
  return rewritten;
}

std::string empty_batch(Offset base, Offset end) {
  BatchHeader header;
  header.base_offset = base;
  header.last_offset_delta = static_cast<std::int32_t>(end - base - 1);
  header.base_timestamp = -1;
  header.max_timestamp = -1;
  return assemble(header, {});
}

// --- keys ----------------------------------------------------------------------------------------

KeyMap::Hash KeyMap::hash_of(ByteView key) const {
  XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), seed_);
  return {hash.low64, hash.high64};
}

void KeyMap::add(ByteView key, Offset offset) {
  Offset& newest = newest_.try_emplace(hash_of(key), offset).first->second;
  newest = TRV_MUTANT(compaction_keeps_older_record) ? std::min(newest, offset)
                                                     : std::max(newest, offset);
}

bool KeyMap::superseded(ByteView key, Offset offset) const {
  auto it = newest_.find(hash_of(key));
  return it != newest_.end() && it->second > offset;
}

// --- partitions ----------------------------------------------------------------------------------

std::optional<CleanRange> plan_cleaning(const Topic& topic, PartitionIndex partition,
                                        Offset stable_end, WallTime now) {
  const Cleaning& cleaning = topic.settings().cleaning;
  const Topic::CleanMark& mark = topic.clean_mark(partition);
  CleanRange range{std::max(mark.end, topic.log_start(partition)), Offset{}};
  range.end = range.dirty;
  std::uint64_t dirty_bytes = 0;
  bool overdue = mark.tombstone_due_ms >= 0 && mark.tombstone_due_ms <= now.ms;
  FoundBatch entry = topic.batch_at(partition, range.dirty);
  for (; entry && (entry->end_offset() <= stable_end || TRV_MUTANT(open_transaction_compacted)) &&
         !topic.is_last(*entry);
       entry = topic.next_in_partition(*entry)) {
    // Not by subtraction of what may be anything from a client's clock.
    if (cleaning.lag_min_ms > 0 && entry->max_timestamp > now.ms - cleaning.lag_min_ms) break;
    if (cleaning.lag_max_ms >= 0 && !entry->control &&
        entry->max_timestamp < now.ms - cleaning.lag_max_ms) {
      overdue = true;
    }
    dirty_bytes += entry->blob.length;
    range.end = entry->end_offset();
  }
  if (range.end == range.dirty && !overdue) return std::nullopt;
  if (overdue) return range;
  std::uint64_t clean_bytes = 0;
  entry = topic.batch_at(partition, topic.log_start(partition));
  for (; entry && entry->base_offset < range.dirty; entry = topic.next_in_partition(*entry)) {
    clean_bytes += entry->blob.length;
  }
  const double share =
      static_cast<double>(dirty_bytes) / static_cast<double>(dirty_bytes + clean_bytes);
  if (share * 1e6 < cleaning.dirty_millionths) return std::nullopt;
  return range;
}

BatchFate fate_of(const BatchEntry& entry, bool marker_commits, const Cleaning& cleaning,
                  WallTime now) {
  if (entry.control) {
    bool due = marker_commits && entry.max_timestamp < now.ms - cleaning.tombstone_ms;
    return due || TRV_MUTANT(marker_dropped_too_early) ? BatchFate::drop : BatchFate::keep;
  }
  return entry.aborted ? BatchFate::drop : BatchFate::read;
}

bool stays(const KeyMap& keys, std::optional<ByteView> key, bool tombstone, Offset offset,
           bool tombstones_due) {
  if (!key || keys.superseded(*key, offset)) return false;
  return !(tombstone && (tombstones_due || TRV_MUTANT(tombstone_gone_too_early)));
}

}  // namespace trv::model
