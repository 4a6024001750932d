// Reading: by sequence and id (records), and by offset (whole batches).
#include <algorithm>

#include "base/mutant.h"
#include "broker/cold_reads.h"
#include "broker/detail/topics_state.h"
#include "broker/trial.h"

namespace trv::broker {
namespace {

Result<model::BatchHeader> checked_header(const storage::Journal::Blob& blob) {
  ByteView batch = blob.bytes.view();
  return blob.from_memory ? model::parse_batch_header(batch) : model::check_batch(batch);
}

Result<detail::RecordCursor> open_batch(Broker& broker, const model::BatchEntry& entry) {
  Trial* trial = broker.cold_reads().trial();
  Result<storage::Journal::Blob> blob =
      trial ? trial->read(entry.blob) : broker.read_blob(entry.blob);
  if (!blob) return blob.error();
  Result<model::BatchHeader> header = checked_header(*blob);
  if (!header) return header.error();
  return detail::RecordCursor::open(entry, *header, blob->bytes);
}

// As open_batch(), but may begin later, at or before the record at `at`.
Result<detail::RecordCursor> open_batch_at(Broker& broker, const detail::CursorCache& cache,
                                           const model::BatchEntry& entry, Sequence at) {
  const detail::RecordCursor* kept =
      cache.find(entry.blob, [at](Sequence next, RecordId) { return next <= at; });
  if (kept) return *kept;
  return open_batch(broker, entry);
}

// For who waits: always there.
Result<std::optional<storage::Journal::Blob>> read_waiting(Broker& broker, BlobRange where) {
  auto blob = broker.read_blob(where);
  if (!blob) return blob.error();
  return std::optional<storage::Journal::Blob>(std::move(*blob));
}

Result<std::optional<detail::RecordCursor>> open_waiting(Broker& broker,
                                                         const detail::CursorCache& cache,
                                                         const model::BatchEntry& entry,
                                                         Sequence at) {
  Result<detail::RecordCursor> cursor = open_batch_at(broker, cache, entry, at);
  if (!cursor) return cursor.error();
  return std::optional<detail::RecordCursor>(std::move(*cursor));
}

Error damaged(const Topic& topic, const model::BatchEntry& entry) {
  return Error{Errc::corrupt, "damaged batch at sequence " +
                                  std::to_string(entry.first_sequence.value) + " of topic " +
                                  topic.state.name()};
}

}  // namespace

Result<std::optional<storage::Journal::Blob>> Topics::State::try_read(
    const Topic& topic, const model::BatchEntry& entry, NextBatch next) {
  ColdReads& cold = broker.cold_reads();
  Trial* trial = cold.trial();
  auto blob = trial ? broker.try_read_blob(entry.blob) : cold.try_read(entry.blob);
  if (!blob) return blob;
  if (!*blob && trial) {
    trial->note(entry.blob);
  } else if (!*blob) {
    const bool ahead = cold.wants_window(entry.blob);
    cold.begin(entry.blob);
    if (ahead) read_ahead(broker, topic, (topic.state.*next)(entry), next);
  } else if (!(*blob)->from_memory && !TRV_MUTANT(nothing_read_ahead)) {
    if (std::optional<Sequence> resume = cold.take_mark(entry.blob)) {
      read_ahead(broker, topic, topic.state.batch_at(*resume), next);
    }
  }
  return blob;
}

void Topics::State::read_ahead(Broker& broker, const Topic& topic, model::FoundBatch entry,
                               NextBatch next) {
  ColdReads& cold = broker.cold_reads();
  if (!entry || !cold.wants_window(entry->blob)) return;
  ColdReads::Window window;
  std::size_t size = 0;
  while (entry && size < ColdReads::window_size_max &&
         window.places.size() < ColdReads::window_places_max) {
    window.places.push_back(entry->blob);
    size += entry->blob.length;
    entry = (topic.state.*next)(*entry);
  }
  window.last = !entry;
  if (entry) window.resume = entry->first_sequence;
  cold.begin_ahead(window);
}

Result<std::optional<detail::RecordCursor>> Topics::State::open_warm(const Topic& topic,
                                                                     const model::BatchEntry& entry,
                                                                     Sequence at) {
  using Opened = std::optional<detail::RecordCursor>;
  const detail::RecordCursor* kept =
      cursors.find(entry.blob, [at](Sequence next, RecordId) { return next <= at; });
  if (kept) return Opened(*kept);
  auto blob = try_read(topic, entry, &model::Topic::next);
  if (!blob) return blob.error();
  if (!*blob) return Opened();
  Result<model::BatchHeader> header = checked_header(**blob);
  if (!header) return header.error();
  auto cursor = detail::RecordCursor::open(entry, *header, (*blob)->bytes);
  if (!cursor) return cursor.error();
  return Opened(std::move(*cursor));
}

Result<Sequence> Topics::read(Topic& topic, Sequence from, const Visit& visit) {
  return state_->read(topic, from, visit, nullptr);
}

Result<Sequence> Topics::read_warm(Topic& topic, Sequence from, const Visit& visit,
                                   std::optional<BlobRange>& cold) {
  return state_->read(topic, from, visit, &cold);
}

Result<Sequence> Topics::State::read(Topic& topic, Sequence from, const Visit& visit,
                                     std::optional<BlobRange>* cold) {
  Sequence end = readable_end(topic);
  Sequence at = std::max(from, topic.state.start());
  model::StoredRecord record;
  while (at < end) {
    model::FoundBatch entry = topic.state.batch_at(at);
    if (!entry || entry->first_sequence >= end) return end;
    if (entry->hidden()) {
      at = entry->end_sequence();
      continue;
    }
    at = std::max(at, topic.state.first_left(*entry));
    Result<std::optional<detail::RecordCursor>> opened =
        cold || broker.cold_reads().trial() ? open_warm(topic, *entry, at)
                                            : open_waiting(broker, cursors, *entry, at);
    if (!opened) return opened.error();
    if (!*opened) {
      if (!cold) return Error{Errc::overloaded, "not in memory"};
      *cold = entry->blob;
      return at;
    }
    detail::RecordCursor& cursor = **opened;
    // The visitor may change the topic, which moves entries.
    BlobRange blob = entry->blob;
    Sequence batch_end = entry->end_sequence();
    Error failure = damaged(topic, *entry);
    while (cursor.next(record)) {
      const bool erased = topic.state.erased(record.sequence) && !TRV_MUTANT(erased_record_is_read);
      if (record.sequence < at || erased) continue;
      if (record.sequence >= end) return end;
      at = record.sequence + 1;
      if (!visit(record)) {
        cursors.keep(blob, cursor, record.id);
        return at;
      }
    }
    if (!cursor.ok()) return failure;
    at = batch_end;
  }
  return std::max(at, from);
}

Status Topics::read_back(Topic& topic, Sequence before, const Visit& visit) {
  Sequence end = std::min(before, state_->readable_end(topic));
  std::vector<model::StoredRecord> records;
  while (end > topic.state.start()) {
    model::FoundBatch entry = topic.state.batch_at(end + -1);
    if (!entry) return {};
    if (entry->first_sequence >= end) {
      // A gap in the log: go on before it.
      entry = topic.state.previous(*entry);
      if (!entry) return {};
    }
    Sequence batch_begin = entry->first_sequence;
    Sequence first_left = topic.state.first_left(*entry);
    if (!entry->hidden()) {
      Result<detail::RecordCursor> cursor = open_batch(state_->broker, *entry);
      if (!cursor) return cursor.error();
      records.clear();
      model::StoredRecord record;
      while (cursor->next(record) && record.sequence < end) {
        if (record.sequence < first_left || topic.state.erased(record.sequence)) continue;
        records.push_back(record);
      }
      if (!cursor->ok()) return damaged(topic, *entry);
      for (auto it = records.rbegin(); it != records.rend(); ++it) {
        if (!visit(*it)) return {};
      }
    }
    end = batch_begin;
  }
  return {};
}

Result<std::optional<model::StoredRecord>> Topics::read_one(Topic& topic, Sequence sequence) {
  using Found = std::optional<model::StoredRecord>;
  if (sequence < topic.state.start() || sequence >= state_->readable_end(topic) ||
      topic.state.erased(sequence)) {
    return Found{};
  }
  model::FoundBatch entry = topic.state.batch_at(sequence);
  if (!entry || entry->hidden() || topic.state.first_left(*entry) > sequence) return Found{};
  Result<detail::RecordCursor> cursor =
      open_batch_at(state_->broker, state_->cursors, *entry, sequence);
  if (!cursor) return cursor.error();
  model::StoredRecord record;
  while (cursor->next(record)) {
    if (record.sequence == sequence) return Found{record};
  }
  // Compacted, unless the batch is still whole.
  if (cursor->ok() && entry->kept < entry->count) return Found{};
  return damaged(topic, *entry);
}

Result<Sequence> Topics::sequence_of(Topic& topic, RecordId id) {
  state_->seal(topic);
  model::FoundBatch entry = topic.state.batch_near(id);
  if (!entry) return topic.state.end();
  if (id <= entry->first_id) return std::max(entry->first_sequence, topic.state.start());
  Sequence found = entry->end_sequence();
  if (entry->origin != model::Origin::fields) {
    if (id.ms == entry->first_id.ms) {
      std::uint64_t ahead = id.seq - entry->first_id.seq;
      if (ahead < static_cast<std::uint64_t>(entry->count)) {
        found = entry->first_sequence + static_cast<std::int64_t>(ahead);
      }
    }
    return std::max(found, topic.state.start());
  }
  if (id > topic.state.last_id()) return topic.state.end();
  const detail::RecordCursor* kept =
      state_->cursors.find(entry->blob, [id](Sequence, RecordId last) { return last < id; });
  Result<detail::RecordCursor> cursor =
      kept ? Result<detail::RecordCursor>(*kept) : open_batch(state_->broker, *entry);
  if (!cursor) return cursor.error();
  model::StoredRecord record;
  while (cursor->next(record)) {
    if (record.id >= id) {
      found = record.sequence;
      break;
    }
  }
  if (!cursor->ok()) return damaged(topic, *entry);
  return std::max(found, topic.state.start());
}

std::optional<RecordId> Topics::first_live_id(Topic& topic) {
  std::optional<RecordId> id;
  Result<Sequence> read_to = read(topic, topic.state.start(), [&id](const auto& record) {
    id = record.id;
    return false;
  });
  if (!read_to) return std::nullopt;
  return id;
}

Result<Fetched> Topics::fetch(Topic& topic, PartitionIndex partition, Offset from,
                              FetchLimits limits, Isolation isolation) {
  Fetched fetched;
  fetched.high_watermark = high_watermark(topic, partition);
  fetched.last_stable_offset = last_stable_offset(topic, partition);
  fetched.log_start = topic.state.log_start(partition);
  if (from < fetched.log_start || from > topic.state.log_end(partition)) {
    return Error{Errc::out_of_range, "offset is outside the log"};
  }
  Offset end =
      isolation == Isolation::committed ? fetched.last_stable_offset : fetched.high_watermark;
  std::size_t bytes = 0;
  model::FoundBatch entry = from < end ? topic.state.batch_at(partition, from) : std::nullopt;
  for (; entry && entry->base_offset < end; entry = topic.state.next_in_partition(*entry)) {
    bool first = fetched.batches.empty();
    const bool given = first && limits.at_least_one && !TRV_MUTANT(large_batch_never_fetched);
    if (bytes + entry->blob.length > limits.bytes_max && !given) break;
    auto blob = limits.waits ? read_waiting(state_->broker, entry->blob)
                             : state_->try_read(topic, *entry, &model::Topic::next_in_partition);
    if (!blob) return blob.error();
    if (!*blob) {
      fetched.cold = entry->blob;
      break;
    }
    Result<model::BatchHeader> header = checked_header(**blob);
    if (!header) return damaged(topic, *entry);
    bytes += entry->blob.length;
    fetched.batches.push_back({(*blob)->bytes, *header, entry->first_sequence, entry->first_id});
  }
  if (isolation == Isolation::committed && !fetched.batches.empty()) {
    const model::BatchHeader& last = fetched.batches.back().header;
    Offset fetched_end = last.base_offset + last.offset_count();
    for (const auto& aborted : topic.state.producers(partition).aborted_in(from, fetched_end)) {
      fetched.aborted.push_back({aborted.producer, aborted.first});
    }
  }
  return fetched;
}

Result<std::optional<Topics::OffsetAndTime>> Topics::offset_since(Topic& topic,
                                                                  PartitionIndex partition,
                                                                  std::int64_t timestamp_ms) {
  using Found = std::optional<OffsetAndTime>;
  const Offset start = topic.state.log_start(partition);
  const Offset end = high_watermark(topic, partition);
  model::FoundBatch entry = topic.state.batch_since(partition, timestamp_ms);
  // A batch whose newest record lies before the log's start, or was compacted, has none.
  for (; entry && entry->base_offset < end; entry = topic.state.next_in_partition(*entry)) {
    if (entry->max_timestamp < timestamp_ms) continue;
    Result<detail::RecordCursor> cursor = open_batch(state_->broker, *entry);
    if (!cursor) return cursor.error();
    model::StoredRecord record;
    while (cursor->next(record)) {
      if (record.timestamp_ms >= timestamp_ms && record.offset >= start) {
        return Found{{record.offset, record.timestamp_ms}};
      }
    }
    if (!cursor->ok()) return damaged(topic, *entry);
  }
  return Found{};
}

std::optional<Topics::OffsetAndTime> Topics::max_timestamp(const Topic& topic,
                                                           PartitionIndex partition) const {
  model::FoundBatch entry = topic.state.batch_with_max_timestamp(partition);
  if (!entry) return std::nullopt;
  Result<detail::RecordCursor> cursor = open_batch(state_->broker, *entry);
  if (!cursor) return std::nullopt;
  model::StoredRecord record;
  while (cursor->next(record)) {
    if (record.timestamp_ms == entry->max_timestamp) {
      return OffsetAndTime{record.offset, record.timestamp_ms};
    }
  }
  return std::nullopt;
}

}  // namespace trv::broker
