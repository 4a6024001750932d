#include "model/topic.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/mutant.h"

namespace trv::model {
namespace {

constexpr std::uint8_t state_version = 4;

void write_id(ByteWriter& writer, RecordId id) {
  writer.varint(id.ms);
  writer.varint(id.seq);
}

RecordId read_id(ByteReader& reader) {
  std::uint64_t ms = reader.varint();
  std::uint64_t seq = reader.varint();
  return {ms, seq};
}

}  // namespace

Topic::Topic(TopicId id, std::string name, TopicSettings settings)
    : id_(id), name_(std::move(name)), settings_(std::move(settings)) {
  partitions_.resize(static_cast<std::size_t>(settings_.partition_count));
}

Topic::PartitionLog& Topic::partition(PartitionIndex p) {
  TRV_ASSERT(has_partition(p));
  return partitions_[static_cast<std::size_t>(p.value)];
}

const Topic::PartitionLog& Topic::partition(PartitionIndex p) const {
  TRV_ASSERT(has_partition(p));
  return partitions_[static_cast<std::size_t>(p.value)];
}

Sequence Topic::stable_end() const {
  Sequence stable = end_;
  for (const auto& [key, open] : open_) stable = std::min(stable, open.first_sequence);
  return stable;
}

Result<RecordId> Topic::next_id(WallTime now) const {
  std::uint64_t ms = now.ms < 0 ? 0 : static_cast<std::uint64_t>(now.ms);
  if (ms > last_id_.ms || TRV_MUTANT(ids_go_back_with_the_clock)) return RecordId{ms, 0};
  if (last_id_ == RecordId::max()) return Error{Errc::out_of_range, "record ids are exhausted"};
  return last_id_.next();
}

void Topic::apply_batch(const StoredBatch& batch) {
  PartitionLog& log = partition(batch.partition);
  const BatchHeader& header = batch.header;
  TRV_ASSERT(header.base_offset == log.end);
  TRV_ASSERT(header.record_count > 0);
  BatchEntry entry;
  entry.first_sequence = end_;
  entry.base_offset = header.base_offset;
  entry.first_id = batch.first_id;
  entry.max_timestamp = header.max_timestamp;
  entry.blob = batch.blob;
  entry.producer_id = header.producer_id;
  entry.count = header.record_count;
  entry.kept = header.record_count;
  entry.partition = batch.partition;
  entry.origin = header.origin();
  entry.control = header.control();
  entry.transactional = header.transactional();
  batches_.push_back(entry);
  if (!single()) log.ordinals.push_back(first_ordinal_ + batches_.size() - 1);

  end_ = entry.end_sequence();
  log.end = entry.end_offset();
  log.bytes += header.size();
  last_id_ = std::max(last_id_, batch.last_id);
  if (entry.transactional) {
    note_transaction(entry, batch.marker_commits);
  } else if (!entry.control) {
    live_count_ += static_cast<std::uint64_t>(entry.count);
  }
  if (!entry.control) added_count_ += static_cast<std::uint64_t>(entry.count);
  if (header.producer_id.value >= 0) note_producer(batch);
}

void Topic::note_producer(const StoredBatch& batch) {
  const BatchHeader& header = batch.header;
  ProducerStates& producers = partition(batch.partition).producers;
  if (header.control()) {
    producers.apply(MarkerFacts{header.producer_id, header.producer_epoch, batch.marker_commits,
                                batch.coordinator_epoch, header.base_offset, batch.appended});
  } else {
    producers.apply(BatchFacts{header.producer_id, header.producer_epoch, header.base_sequence,
                               header.record_count, header.transactional(), header.base_offset,
                               WallTime{header.max_timestamp}, batch.appended});
  }
}

void Topic::apply_gap(PartitionIndex p, Offset log_end, Sequence end) {
  PartitionLog& log = partition(p);
  if (log_end > log.end && !TRV_MUTANT(gap_leaves_transactions_open)) {
    // The end of a transaction may be what is lost. The next marker of its producer may then be
    // another one's, and an aborted record must never be shown as a committed one.
    std::erase_if(open_, [&](const auto& one) {
      if (one.first.first != p) return false;
      abort_records(one.first, one.second);
      return true;
    });
  }
  log.end = std::max(log.end, log_end);
  end_ = std::max(end_, end);
}

void Topic::note_transaction(const BatchEntry& entry, bool marker_commits) {
  TransactionKey key{entry.partition, entry.producer_id};
  if (!entry.control) {
    auto [it, fresh] = open_.try_emplace(key, OpenTransaction{entry.first_sequence, 0});
    it->second.record_count += static_cast<std::uint64_t>(entry.count);
    return;
  }
  auto it = open_.find(key);
  if (it == open_.end()) return;
  if (marker_commits) {
    live_count_ += it->second.record_count;
  } else {
    abort_records(it->first, it->second);
  }
  open_.erase(it);
}

void Topic::abort_records(const TransactionKey& key, const OpenTransaction& transaction) {
  const Sequence from = TRV_MUTANT(abort_reaches_back) ? start_ : transaction.first_sequence;
  std::size_t i = batches_.first_behind(std::max(from, start_));
  for (; i < batches_.size(); ++i) {
    BatchEntry other = batches_.at(i);
    if (TransactionKey(other.partition, other.producer_id) == key && other.transactional &&
        !other.control) {
      other.aborted = true;
      batches_.replace(i, other);
    }
  }
}

bool Topic::open(const BatchEntry& entry) const {
  if (!entry.transactional || entry.control || entry.aborted) return false;
  auto it = open_.find({entry.partition, entry.producer_id});
  return it != open_.end() && entry.first_sequence >= it->second.first_sequence;
}

std::uint64_t Topic::live_in(const BatchEntry& entry, Sequence from) const {
  return entry.hidden() || open(entry) ? 0 : present_in(entry, from);
}

std::uint64_t Topic::present_in(const BatchEntry& entry, Sequence from) const {
  Sequence first = std::max(from, first_left(entry));
  if (first >= entry.end_sequence()) return 0;
  // Which records are gone is not known here: they count as the oldest of the batch.
  auto count =
      static_cast<std::uint64_t>(std::min<std::int64_t>(entry.end_sequence() - first, entry.kept));
  if (erased_.empty()) return count;
  auto begin = erased_.lower_bound(first);
  auto end = erased_.lower_bound(entry.end_sequence());
  return count - std::min(count, static_cast<std::uint64_t>(std::distance(begin, end)));
}

void Topic::apply_erase(Sequence sequence, RecordId id) {
  if (sequence < start_ || sequence >= end_) return;
  const FoundBatch entry = batch_at(sequence);
  if (!entry || sequence < first_left(*entry)) return;  // gone already
  if (!entry->hidden() && !open(*entry) && erased_.insert(sequence).second) --live_count_;
  max_erased_id_ = std::max(max_erased_id_, id);
}

void Topic::apply_set_id(RecordId last_id, std::optional<std::uint64_t> added_count,
                         std::optional<RecordId> max_erased_id) {
  last_id_ = last_id;
  if (added_count) added_count_ = *added_count;
  if (max_erased_id) max_erased_id_ = *max_erased_id;
}

void Topic::apply_add_partitions(std::int32_t partition_count) {
  TRV_ASSERT(partition_count > this->partition_count());
  bool counted = !single();
  batches_.load_pages();  // those of several partitions are not found by sequence alone
  partitions_.resize(static_cast<std::size_t>(partition_count));
  if (!counted) count_ordinals();
  settings_.partition_count = partition_count;
}

FoundBatch Topic::by_index(std::size_t index) const {
  return index < batches_.size() ? FoundBatch(batches_.at(index)) : std::nullopt;
}

BatchEntry Topic::by_ordinal(std::uint64_t ordinal) const {
  return batches_.at(static_cast<std::size_t>(ordinal - first_ordinal_));
}

FoundBatch Topic::batch_at(Sequence sequence) const {
  return by_index(batches_.first_behind(sequence));
}

FoundBatch Topic::batch_at(PartitionIndex p, Offset offset) const {
  if (single()) return batch_at(Sequence(offset.value));
  const auto& ordinals = partition(p).ordinals;
  if (offset >= log_end(p)) return std::nullopt;  // most of all: from readers at the end
  auto it = std::upper_bound(
      ordinals.begin(), ordinals.end(), offset,
      [this](Offset o, std::uint64_t ordinal) { return o < by_ordinal(ordinal).end_offset(); });
  return it == ordinals.end() ? std::nullopt : FoundBatch(by_ordinal(*it));
}

FoundBatch Topic::batch_near(RecordId id) const {
  const std::size_t count = batches_.count_until(id);
  return by_index(count - std::min<std::size_t>(count, 1));
}

FoundBatch Topic::batch_as_new(Offset from, std::int64_t timestamp_ms) const {
  std::size_t index = batches_.first_behind(Sequence(from.value));
  while (index < batches_.size()) {
    const std::size_t next = batches_.skip_older(index, timestamp_ms);
    if (next == index) {
      const BatchEntry entry = batches_.at(index);
      if (!entry.control && entry.max_timestamp >= timestamp_ms) return entry;
    }
    index = next == index ? index + 1 : next;
  }
  return std::nullopt;
}

FoundBatch Topic::batch_since(PartitionIndex p, std::int64_t timestamp_ms) const {
  // Timestamps of producers need not ascend, so this looks at every batch, or page, from the start.
  if (single()) return batch_as_new(log_start(p), timestamp_ms);
  for (FoundBatch entry = batch_at(p, log_start(p)); entry; entry = next_in_partition(*entry)) {
    if (!entry->control && entry->max_timestamp >= timestamp_ms) return entry;
  }
  return std::nullopt;
}

FoundBatch Topic::batch_with_max_timestamp(PartitionIndex p) const {
  if (single()) return batch_with_max_timestamp(log_start(p));
  FoundBatch newest;
  for (FoundBatch entry = batch_at(p, log_start(p)); entry; entry = next_in_partition(*entry)) {
    if (!entry->control && (!newest || entry->max_timestamp > newest->max_timestamp))
      newest = entry;
  }
  return newest;
}

FoundBatch Topic::batch_with_max_timestamp(Offset from) const {
  constexpr auto latest = std::numeric_limits<std::int64_t>::max();
  FoundBatch newest = batch_as_new(from, std::numeric_limits<std::int64_t>::min());
  while (newest && newest->max_timestamp < latest) {
    const FoundBatch newer = batch_as_new(newest->end_offset(), newest->max_timestamp + 1);
    if (!newer) break;
    newest = newer;
  }
  return newest;
}

FoundBatch Topic::next(const BatchEntry& entry) const { return batch_at(entry.end_sequence()); }

FoundBatch Topic::previous(const BatchEntry& entry) const {
  const std::size_t index = batches_.first_behind(entry.first_sequence);
  return index == 0 ? std::nullopt : by_index(index - 1);
}

FoundBatch Topic::next_in_partition(const BatchEntry& entry) const {
  if (single()) return next(entry);
  const auto& ordinals = partition(entry.partition).ordinals;
  const std::uint64_t ordinal = first_ordinal_ + batches_.first_behind(entry.end_sequence());
  auto it = std::lower_bound(ordinals.begin(), ordinals.end(), ordinal);
  return it == ordinals.end() ? std::nullopt : FoundBatch(by_ordinal(*it));
}

Sequence Topic::trim_point(std::uint64_t live_max, bool at_batch_boundary) const {
  Sequence point = start_;
  std::uint64_t live = live_count_;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const BatchEntry entry = batches_.at(i);
    std::uint64_t here = live_in(entry, point);
    if (live - here >= live_max && !open(entry)) {
      live -= here;
      point = entry.end_sequence();
      if (live > live_max || here == 0) continue;
      if (live == live_max) return point;
      continue;
    }
    // Which records of a thinned batch are gone is not known here: better too many stay.
    const bool thinned = entry.kept < entry.count;
    if (at_batch_boundary || thinned || live <= live_max) return point;
    point = std::max(point, first_left(entry));
    while (live > live_max && point < entry.end_sequence()) {
      if (!erased_.contains(point)) --live;
      ++point;
    }
    return point;
  }
  return point;
}

void Topic::encode_state(std::string& out) const {
  ByteWriter writer(out);
  writer.u8(state_version);
  writer.varint_signed(start_.value);
  writer.varint_signed(end_.value);
  write_id(writer, last_id_);
  write_id(writer, max_erased_id_);
  writer.varint(added_count_);
  writer.varint(live_count_);
  writer.varint(partitions_.size());
  for (const PartitionLog& log : partitions_) {
    writer.varint_signed(log.start.value);
    writer.varint_signed(log.end.value);
    writer.varint(log.bytes);
    writer.sized(log.producers.encode());
    writer.varint_signed(log.clean.end.value);
    writer.varint_signed(log.clean.tombstone_due_ms);
  }
  writer.varint(erased_.size());
  for (Sequence sequence : erased_) writer.varint_signed(sequence.value);
  writer.varint(open_.size());
  for (const auto& [key, open] : open_) {
    writer.varint(static_cast<std::uint64_t>(key.first.value));
    writer.varint_signed(key.second.value);
    writer.varint_signed(open.first_sequence.value);
    writer.varint(open.record_count);
  }
  batches_.encode(writer);
}

Status Topic::restore_state(ByteView bytes) {
  const Error damaged{Errc::corrupt, "damaged topic state"};
  ByteReader reader(bytes);
  const std::uint8_t version = reader.u8();
  if (version == 0 || version > state_version) {
    return Error{Errc::corrupt, "unknown topic state version"};
  }
  start_ = Sequence(reader.varint_signed());
  end_ = Sequence(reader.varint_signed());
  last_id_ = read_id(reader);
  max_erased_id_ = read_id(reader);
  added_count_ = reader.varint();
  live_count_ = reader.varint();
  if (reader.varint() != partitions_.size()) return damaged;
  for (PartitionLog& log : partitions_) {
    log.start = Offset(reader.varint_signed());
    log.end = Offset(reader.varint_signed());
    log.bytes = reader.varint();
    ByteView producers = reader.sized();
    if (!reader.ok()) return damaged;
    Result<ProducerStates> restored = ProducerStates::decode(producers);
    if (!restored) return restored.error();
    log.producers = std::move(restored).value();
    if (version == 1) continue;
    log.clean.end = Offset(reader.varint_signed());
    log.clean.tombstone_due_ms = reader.varint_signed();
  }
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    erased_.insert(Sequence(reader.varint_signed()));
  }
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    PartitionIndex p(static_cast<std::int32_t>(reader.varint()));
    ProducerId producer(reader.varint_signed());
    Sequence first(reader.varint_signed());
    open_[{p, producer}] = {first, reader.varint()};
  }
  const bool whole = version < 3 ? batches_.decode_plain(reader, partition_count())
                                 : batches_.decode(reader, partition_count(), version > 3);
  if (!whole) return damaged;
  if (!single()) count_ordinals();
  if (!reader.done()) return damaged;
  holes_ = live_count_ != static_cast<std::uint64_t>(end_ - start_);  // perhaps
  return {};
}

}  // namespace trv::model
