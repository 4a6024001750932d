#include "broker/detail/compaction.h"

#include <algorithm>
#include <span>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/detail/moved_prefix.h"
#include "broker/entry.h"
#include "broker/queue_state.h"
#include "broker/queues.h"

namespace trv::broker::detail {

const Queue* sole_reader(const Topic& topic) {
  if (topic.queues.size() != 1 || topic.has_groups()) return nullptr;
  const Queue* queue = topic.queues.front();
  return queue->owns_topic() ? queue : nullptr;
}

std::uint64_t live_records(const Topic& topic, const model::BatchEntry& entry) {
  std::uint64_t present = topic.state.present_in(entry, topic.state.start());
  const Queue* queue = sole_reader(topic);
  if (!queue) return entry.hidden() ? static_cast<std::uint64_t>(entry.kept) : present;
  // What was left out of the batch is settled, too.
  auto count = static_cast<std::uint64_t>(entry.count);
  std::uint64_t settled = queue->cursor.settled_count(entry.first_sequence, entry.end_sequence());
  return std::min(present, count - settled);
}

bool is_live(const Topic& topic, const model::BatchEntry& entry, Sequence sequence) {
  if (sequence < topic.state.first_left(entry) || topic.state.erased(sequence)) return false;
  const Queue* queue = sole_reader(topic);
  return !queue || !queue->cursor.is_settled(sequence);
}

void count_segments(const Topic& topic, Broker::SegmentBytes& out) {
  // Neighbours share a segment, nearly always.
  auto at = out.end();
  const auto count = [&](std::uint64_t blob, std::uint64_t bytes) {
    if (at == out.end() || at->first != blob) at = out.try_emplace(blob, 0).first;
    at->second += bytes;
  };
  const Queue* queue = sole_reader(topic);
  const bool all = queue == nullptr && !topic.state.has_holes();
  const auto whole = [&](Sequence first, Sequence end) {
    return all || (first >= topic.state.start() && !topic.state.any_erased(first, end) &&
                   (!queue || queue->cursor.settled_count(first, end) == 0));
  };
  const auto page = [&](const model::SegmentList& segments) {
    if (TRV_MUTANT(pages_count_as_dead)) return;
    segments.each([&](const model::SegmentBytes& segment) {
      count(segment.blob, segment.bytes);
      return true;
    });
  };
  topic.state.each_stored(whole, page, [&](const model::BatchEntry& entry) {
    const auto kept = static_cast<std::uint64_t>(std::max(entry.kept, 1));
    const std::uint64_t live = all ? kept : std::min(live_records(topic, entry), kept);
    count(entry.blob.blob, entry.blob.length * live / kept);
  });
}

Result<LoadedBatch> load_batch(Broker& broker, const model::BatchEntry& entry) {
  Result<storage::Journal::Blob> blob = broker.read_blob(entry.blob);
  if (!blob) return blob.error();
  Result<model::BatchHeader> header = blob->from_memory
                                          ? model::parse_batch_header(blob->bytes.view())
                                          : model::check_batch(blob->bytes.view());
  if (!header) return header.error();
  if (header->base_offset != entry.base_offset || header->record_count != entry.kept) {
    return Error{Errc::corrupt, "another batch lies in its place"};
  }
  return LoadedBatch{blob->bytes, *header};
}

Status move_batch(Broker& broker, Topic& topic, Sequence first, ByteView batch,
                  CompactionCounters& counters) {
  Result<model::BatchHeader> header = model::parse_batch_header(batch);
  TRV_ASSERT(header.ok());
  char raw[MovedPrefix::size];
  MovedPrefix{topic.state.id(), first}.encode(raw);
  const ByteView parts[] = {ByteView(raw, sizeof raw), batch};
  Result<BlobRange> blob = broker.journal(Space::more, entry::batch_moved, topic.shard, parts);
  if (!blob && blob.error().code == Errc::too_large) {
    log::warn(
        "topic {}: the batch at sequence {} stays where it is: it is larger than a journal "
        "file may hold now",
        topic.state.name(), first.value);
    return {};
  }
  if (!blob) return blob.error();
  blob->position += static_cast<std::uint32_t>(MovedPrefix::size);
  blob->length -= static_cast<std::uint32_t>(MovedPrefix::size);
  bool moved = topic.state.apply_moved(first, *header, *blob);
  TRV_ASSERT(moved);
  ++counters.moved_batches;
  counters.moved_bytes += batch.size();
  return {};
}

Status drop_batches(Broker& broker, Topic& topic, const std::vector<Sequence>& firsts,
                    CompactionCounters& counters) {
  if (firsts.empty()) return {};
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(topic.state.id().value);
    for (Sequence first : firsts) writer.varint_signed(first.value);
    auto kept = broker.journal(Space::less, entry::batches_dropped, topic.shard, payload);
    if (!kept) return kept.error();
  }
  std::size_t before = topic.state.batch_count();
  topic.state.apply_drop(firsts);
  counters.dropped_batches += before - topic.state.batch_count();
  broker.queues().on_erased(topic);
  return {};
}

}  // namespace trv::broker::detail
