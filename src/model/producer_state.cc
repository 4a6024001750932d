#include "model/producer_state.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::model {

namespace {

constexpr std::uint8_t format_version = 1;

Error refuse(Errc code, const char* what, const BatchFacts& batch) {
  return {code, std::string(what) + ": producer " + std::to_string(batch.producer.value) +
                    " epoch " + std::to_string(batch.epoch) + " sequence " +
                    std::to_string(batch.first_sequence)};
}

// Sequences count 0..sequence_max and start over.
std::int32_t advance_sequence(std::int32_t sequence, std::int32_t by) {
  std::int64_t sum = static_cast<std::int64_t>(sequence) + by;
  if (TRV_MUTANT(sequence_does_not_wrap)) return static_cast<std::int32_t>(sum);
  constexpr std::int64_t count = static_cast<std::int64_t>(ProducerStates::sequence_max) + 1;
  return static_cast<std::int32_t>(sum % count);
}

std::int32_t last_sequence_of(const BatchFacts& batch) {
  return advance_sequence(batch.first_sequence, batch.record_count - 1);
}

bool was_aborted(const ProducerStates& states, ProducerId producer, Offset offset) {
  const std::vector<AbortedTransaction> found = states.aborted_in(offset, offset + 1);
  return std::any_of(found.begin(), found.end(),
                     [producer](const auto& aborted) { return aborted.producer == producer; });
}

}  // namespace

void ProducerStates::Producer::start_epoch(ProducerEpoch next) {
  epoch = next;
  batch_count = 0;
  batches = {};
}

void ProducerStates::Producer::push(Batch batch) {
  if (batch_count == batch_window) {
    std::move(batches.begin() + 1, batches.end(), batches.begin());
    --batch_count;
  }
  batches[batch_count++] = batch;
}

const ProducerStates::Producer* ProducerStates::find(ProducerId id) const {
  auto it = producers_.find(id);
  return it == producers_.end() ? nullptr : &it->second;
}

Result<BatchVerdict> ProducerStates::check(const BatchFacts& batch) const {
  if (batch.producer.value < 0) {
    if (batch.transactional) {
      return refuse(Errc::invalid_argument, "transactional batch without a producer", batch);
    }
    return BatchVerdict{};
  }
  if (batch.epoch < 0 || batch.first_sequence < 0 || batch.record_count <= 0) {
    return refuse(Errc::invalid_argument, "impossible producer fields", batch);
  }
  const Producer* known = find(batch.producer);
  auto verdict = check_sequence(known, batch);
  // A duplicate is answered before its transaction is looked at: that may have ended since.
  if (!verdict || verdict->duplicate) return verdict;
  Status transaction = check_transaction(known, batch);
  if (!transaction) return transaction.error();
  if (known == nullptr && producers_.size() >= producers_max) {
    return refuse(Errc::overloaded, "too many producers write to this partition", batch);
  }
  return verdict;
}

Result<BatchVerdict> ProducerStates::check_sequence(const Producer* known,
                                                    const BatchFacts& batch) const {
  // Nothing is known of a producer that never wrote here or was forgotten: any start is right.
  if (known == nullptr) return BatchVerdict{};
  if (batch.epoch < known->epoch && !TRV_MUTANT(zombie_producer_not_fenced))
    return refuse(Errc::fenced, "older producer epoch", batch);
  if (batch.epoch > known->epoch) {
    if (batch.first_sequence == 0) return BatchVerdict{};
    return refuse(Errc::sequence_gap, "a new epoch starts at sequence 0", batch);
  }
  std::int32_t last = last_sequence_of(batch);
  for (std::size_t i = 0; i < known->batch_count; ++i) {
    const Batch& stored = known->batches[i];
    if (stored.first_sequence == batch.first_sequence && stored.last_sequence == last) {
      // Its sender has given up what was aborted: this is another batch with its number, and a
      // success would lose it.
      if (was_aborted(*this, batch.producer, stored.base_offset) &&
          !TRV_MUTANT(aborted_batch_is_an_original)) {
        return refuse(Errc::sequence_gap, "an aborted transaction has used the sequence", batch);
      }
      return BatchVerdict{true, stored.base_offset, stored.timestamp};
    }
  }
  std::int32_t next = 0;
  if (known->batch_count > 0) {
    next = advance_sequence(known->batches[known->batch_count - 1].last_sequence, 1);
  }
  if (batch.first_sequence == next) return BatchVerdict{};
  return refuse(Errc::sequence_gap, "sequence does not follow", batch);
}

Status ProducerStates::check_transaction(const Producer* known, const BatchFacts& batch) const {
  bool open = known != nullptr && known->transaction_start.value >= 0;
  if (!batch.transactional) {
    if (!open) return {};
    return refuse(Errc::invalid_state, "plain batch inside the producer's transaction", batch);
  }
  // A higher epoch means that the transaction belongs to a predecessor that is being aborted.
  if (open && batch.epoch == known->epoch) return {};
  auto expected = expected_.find(batch.producer);
  if (!open && expected != expected_.end() && expected->second == batch.epoch) return {};
  return refuse(Errc::invalid_state, "the partition is not in the producer's transaction", batch);
}

Status ProducerStates::check_marker(const MarkerFacts& marker) const {
  const Producer* known = find(marker.producer);
  if (known == nullptr) return {};
  if (marker.epoch < known->epoch) {
    return Error{Errc::fenced, "marker of an older producer epoch: producer " +
                                   std::to_string(marker.producer.value)};
  }
  if (marker.coordinator_epoch < known->coordinator_epoch) {
    return Error{Errc::concurrent_update, "marker of an older coordinator: producer " +
                                              std::to_string(marker.producer.value)};
  }
  return {};
}

void ProducerStates::apply(const BatchFacts& batch) {
  if (batch.producer.value < 0) return;
  Producer& producer = producers_[batch.producer];
  if (batch.epoch != producer.epoch) {
    producer.start_epoch(batch.epoch);
  }
  producer.push(
      {batch.first_sequence, last_sequence_of(batch), batch.base_offset, batch.timestamp});
  producer.last_update = std::max(producer.last_update, batch.appended);
  if (batch.transactional && producer.transaction_start.value < 0) {
    producer.transaction_start = batch.base_offset;
    open_.emplace(batch.base_offset, batch.producer);
    expected_.erase(batch.producer);
  }
}

void ProducerStates::apply(const MarkerFacts& marker) {
  Producer& producer = producers_[marker.producer];
  if (marker.epoch > producer.epoch) {
    producer.start_epoch(marker.epoch);
  }
  producer.coordinator_epoch = marker.coordinator_epoch;
  producer.last_update = std::max(producer.last_update, marker.appended);
  expected_.erase(marker.producer);
  if (TRV_MUTANT(marker_applied_to_next_transaction)) return;
  if (producer.transaction_start.value < 0) return;
  Offset first = std::exchange(producer.transaction_start, Offset{-1});
  open_.erase(first);
  closing_.push_back({first, marker.offset});
  if (marker.commit) return;
  Offset stable = open_.empty() ? marker.offset + 1 : open_.begin()->first;
  aborted_.push_back({marker.producer, first, marker.offset, stable});
}

void ProducerStates::expect_transaction(ProducerId producer, ProducerEpoch epoch) {
  const Producer* known = find(producer);
  if (known != nullptr &&
      (known->epoch > epoch || (known->epoch == epoch && known->transaction_start.value >= 0))) {
    return;  // late, or already writing
  }
  expected_[producer] = epoch;
}

bool ProducerStates::has_open_transaction(ProducerId producer) const {
  const Producer* known = find(producer);
  return known != nullptr && known->transaction_start.value >= 0;
}

Offset ProducerStates::last_stable_offset(Offset high_watermark) {
  while (!closing_.empty() && closing_.front().marker < high_watermark) closing_.pop_front();
  Offset stable = high_watermark;
  if (!open_.empty() && !TRV_MUTANT(last_stable_offset_passes_open_transaction))
    stable = std::min(stable, open_.begin()->first);
  if (TRV_MUTANT(last_stable_offset_before_marker_is_durable)) return stable;
  for (const Closing& closing : closing_) stable = std::min(stable, closing.first);
  return stable;
}

std::vector<AbortedTransaction> ProducerStates::aborted_in(Offset from, Offset end) const {
  std::vector<AbortedTransaction> found;
  auto it = std::lower_bound(
      aborted_.begin(), aborted_.end(), from,
      [](const AbortedTransaction& aborted, Offset offset) { return aborted.last < offset; });
  for (; it != aborted_.end(); ++it) {
    if (it->first < end && !TRV_MUTANT(aborted_transaction_not_told)) found.push_back(*it);
    if (it->stable >= end) break;
  }
  return found;
}

void ProducerStates::trim(Offset log_start) {
  auto it = std::lower_bound(
      aborted_.begin(), aborted_.end(), log_start,
      [](const AbortedTransaction& aborted, Offset offset) { return aborted.last < offset; });
  aborted_.erase(aborted_.begin(), it);
}

void ProducerStates::expire(WallTime before) {
  std::erase_if(producers_, [&](const auto& entry) {
    const Producer& producer = entry.second;
    return producer.transaction_start.value < 0 && producer.last_update < before;
  });
}

std::vector<ProducerDescription> ProducerStates::describe() const {
  std::vector<ProducerDescription> all;
  all.reserve(producers_.size());
  for (const auto& [id, producer] : producers_) {
    ProducerDescription description;
    description.producer = id;
    description.epoch = producer.epoch;
    if (producer.batch_count > 0) {
      description.last_sequence = producer.batches[producer.batch_count - 1].last_sequence;
    }
    description.last_timestamp = producer.last_update;
    description.coordinator_epoch = producer.coordinator_epoch;
    description.transaction_start = producer.transaction_start;
    all.push_back(description);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.producer < b.producer; });
  return all;
}

bool ProducerStates::operator==(const ProducerStates& other) const {
  return producers_ == other.producers_ && open_ == other.open_ && aborted_ == other.aborted_;
}

std::string ProducerStates::encode() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(format_version);
  out.varint(producers_.size());
  for (const auto& [id, producer] : producers_) {
    out.varint_signed(id.value);
    out.varint_signed(producer.epoch);
    out.varint_signed(producer.coordinator_epoch);
    out.varint_signed(producer.transaction_start.value);
    out.varint_signed(producer.last_update.ms);
    out.u8(producer.batch_count);
    for (std::size_t i = 0; i < producer.batch_count; ++i) {
      const Batch& batch = producer.batches[i];
      out.varint_signed(batch.first_sequence);
      out.varint_signed(batch.last_sequence);
      out.varint_signed(batch.base_offset.value);
      out.varint_signed(batch.timestamp.ms);
    }
  }
  out.varint(aborted_.size());
  for (const AbortedTransaction& aborted : aborted_) {
    out.varint_signed(aborted.producer.value);
    out.varint_signed(aborted.first.value);
    out.varint_signed(aborted.last.value);
    out.varint_signed(aborted.stable.value);
  }
  out.varint(closing_.size());
  for (const Closing& closing : closing_) {
    out.varint_signed(closing.first.value);
    out.varint_signed(closing.marker.value);
  }
  return bytes;
}

Result<ProducerStates> ProducerStates::decode(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u8() != format_version) return Error{Errc::corrupt, "producer state: unknown version"};
  ProducerStates states;
  // Claimed counts only bound loops; each turn consumes input, and a short read ends them.
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    ProducerId id{in.varint_signed()};
    Producer producer;
    producer.epoch = static_cast<ProducerEpoch>(in.varint_signed());
    producer.coordinator_epoch = static_cast<std::int32_t>(in.varint_signed());
    producer.transaction_start = Offset{in.varint_signed()};
    producer.last_update = WallTime{in.varint_signed()};
    producer.batch_count = in.u8();
    if (producer.batch_count > batch_window) {
      in.fail();
      break;
    }
    for (std::size_t i = 0; i < producer.batch_count; ++i) {
      Batch& batch = producer.batches[i];
      batch.first_sequence = static_cast<std::int32_t>(in.varint_signed());
      batch.last_sequence = static_cast<std::int32_t>(in.varint_signed());
      batch.base_offset = Offset{in.varint_signed()};
      batch.timestamp = WallTime{in.varint_signed()};
    }
    if (TRV_MUTANT(producer_dedup_lost_in_checkpoint)) producer.batch_count = 0;
    if (!in.ok()) break;
    if (producer.transaction_start.value >= 0) states.open_.emplace(producer.transaction_start, id);
    states.producers_.insert_or_assign(id, producer);
  }
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    ProducerId id{in.varint_signed()};
    Offset first{in.varint_signed()};
    Offset last{in.varint_signed()};
    Offset stable{in.varint_signed()};
    states.aborted_.push_back({id, first, last, stable});
  }
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    Offset first{in.varint_signed()};
    Offset marker{in.varint_signed()};
    states.closing_.push_back({first, marker});
  }
  if (!in.done()) return Error{Errc::corrupt, "producer state: damaged"};
  return states;
}

}  // namespace trv::model
