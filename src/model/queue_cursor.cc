#include "model/queue_cursor.h"

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/memory_estimate.h"
#include "base/mutant.h"

namespace trv::model {

std::uint64_t QueueCursor::ready_count(Sequence visible_end) const {
  std::uint64_t fresh = visible_end > next_ ? static_cast<std::uint64_t>(visible_end - next_) : 0;
  return fresh + released_count_;
}

bool QueueCursor::is_ready(Sequence sequence) const {
  if (sequence >= next_) return true;
  auto after = released_.upper_bound(sequence);
  return after != released_.begin() && std::prev(after)->second.end > sequence;
}

std::optional<Sequence> QueueCursor::first_released() const {
  if (released_.empty()) return std::nullopt;
  if (TRV_MUTANT(requeue_order)) return released_.rbegin()->first;
  return released_.begin()->first;
}

std::optional<Sequence> QueueCursor::first_ready(Sequence visible_end) const {
  if (!released_.empty()) return released_.begin()->first;
  if (next_ < visible_end) return next_;
  return std::nullopt;
}

void QueueCursor::add_released(Sequence first, Sequence end, RecordPast past) {
  if (first >= end) return;
  released_count_ += static_cast<std::uint64_t>(end - first);
  auto after = released_.upper_bound(first);
  if (after != released_.end() && after->first == end && after->second.past == past) {
    end = after->second.end;
    after = released_.erase(after);
  }
  if (after != released_.begin()) {
    auto before = std::prev(after);
    if (before->second.end == first && before->second.past == past) {
      before->second.end = end;
      return;
    }
  }
  released_.emplace_hint(after, first, Run{end, past});
}

std::optional<RecordPast> QueueCursor::remove_released(Sequence sequence) {
  auto after = released_.upper_bound(sequence);
  if (after == released_.begin()) return std::nullopt;
  auto at = std::prev(after);
  Run run = at->second;
  if (run.end <= sequence) return std::nullopt;
  --released_count_;
  if (at->first == sequence) {
    after = released_.erase(at);
  } else {
    at->second.end = sequence;
  }
  if (sequence + 1 < run.end) released_.emplace_hint(after, sequence + 1, run);
  return run.past;
}

bool QueueCursor::is_settled(Sequence sequence) const {
  return settled_count(sequence, sequence + 1) == 1;
}

std::uint64_t QueueCursor::settled_count(Sequence first, Sequence end) const {
  if (first >= end) return 0;
  if (end <= floor_) return static_cast<std::uint64_t>(end - first);
  std::int64_t count = first < floor_ ? floor_ - first : 0;
  std::int64_t from = std::max(first, floor_).value;
  auto range = settled_.upper_bound(from);
  if (range != settled_.begin()) --range;
  for (; range != settled_.end() && range->first < end.value; ++range) {
    count += std::max<std::int64_t>(
        std::min(range->second, end.value) - std::max(range->first, from), 0);
  }
  return static_cast<std::uint64_t>(count);
}

void QueueCursor::remove_released_below(Sequence sequence) {
  while (!released_.empty() && released_.begin()->first < sequence) {
    auto at = released_.begin();
    Run run = at->second;
    Sequence end = std::min(run.end, sequence);
    released_count_ -= static_cast<std::uint64_t>(end - at->first);
    released_.erase(at);
    if (end < run.end) released_.emplace(end, run);
  }
}

void QueueCursor::remove_released_range(Sequence first, Sequence end) {
  auto at = released_.upper_bound(first);
  if (at != released_.begin() && std::prev(at)->second.end > first) --at;
  while (at != released_.end() && at->first < end) {
    Sequence begin = at->first;
    Run run = at->second;
    Sequence cut_first = std::max(begin, first);
    Sequence cut_end = std::min(run.end, end);
    released_count_ -= static_cast<std::uint64_t>(cut_end - cut_first);
    at = released_.erase(at);
    if (begin < cut_first) released_.emplace_hint(at, begin, Run{cut_first, run.past});
    if (cut_end < run.end) at = released_.emplace_hint(at, cut_end, run);
  }
}

QueueCursor::Taken QueueCursor::take(Sequence sequence, ConsumerId consumer) {
  Taken taken;
  RecordPast past;
  if (std::optional<RecordPast> before = remove_released(sequence)) {
    past = *before;
  } else {
    TRV_ASSERT(sequence >= next_);
    add_released(next_, sequence, {});
    next_ = sequence + 1;
  }
  taken.redelivered = past.deliveries > 0 || sequence < delivered_mark_;
  if (TRV_MUTANT(redelivered_flag_missing)) taken.redelivered = false;
  taken.delivery_count = past.deliveries + 1;
  taken.failure_count = past.failures;
  out_.insert_or_assign(sequence, Outstanding{consumer, past});
  return taken;
}

void QueueCursor::skip_to(Sequence sequence) {
  TRV_ASSERT(sequence >= next_);
  if (sequence == next_) return;
  settled_[next_.value] = sequence.value;
  next_ = sequence;
  advance_floor();
}

std::optional<RecordPast> QueueCursor::returned(Sequence sequence) {
  auto it = out_.find(sequence);
  if (it == out_.end()) return std::nullopt;
  RecordPast past = it->second.past;
  ++past.deliveries;
  out_.erase(it);
  return past;
}

bool QueueCursor::release(Sequence sequence) {
  std::optional<RecordPast> past = returned(sequence);
  if (past) add_released(sequence, sequence + 1, *past);
  return past.has_value();
}

std::uint32_t QueueCursor::release_failed(Sequence sequence) {
  std::optional<RecordPast> past = returned(sequence);
  if (!past) return 0;
  ++past->failures;
  add_released(sequence, sequence + 1, *past);
  return past->failures;
}

std::optional<ConsumerId> QueueCursor::holder_of(Sequence sequence) const {
  auto it = out_.find(sequence);
  if (it == out_.end()) return std::nullopt;
  return it->second.consumer;
}

std::vector<std::pair<Sequence, Outstanding>> QueueCursor::outstanding_in(Sequence first,
                                                                          Sequence end) const {
  if (first >= end) return {};
  return {out_.lower_bound(first), out_.lower_bound(end)};
}

Sequence QueueCursor::released_end(Sequence sequence) const {
  auto after = released_.upper_bound(sequence);
  TRV_ASSERT(after != released_.begin());
  return std::prev(after)->second.end;
}

std::vector<Sequence> QueueCursor::outstanding_of(ConsumerId consumer) const {
  std::vector<Sequence> sequences;
  for (const auto& [sequence, out] : out_) {
    if (out.consumer == consumer) sequences.push_back(sequence);
  }
  return sequences;
}

void QueueCursor::apply_settle(Sequence sequence) {
  if (sequence < floor_) return;
  if (sequence >= next_) {
    // In replay: deliveries are not journaled, so what lies between was out and is not settled.
    add_released(next_, sequence, {});
    next_ = sequence + 1;
  }
  mark_settled(sequence);
}

void QueueCursor::apply_settle_below(Sequence sequence) {
  if (sequence <= floor_) return;
  out_.erase(out_.begin(), out_.lower_bound(sequence));
  remove_released_below(sequence);
  next_ = std::max(next_, sequence);
  floor_ = sequence;
  advance_floor();
}

void QueueCursor::apply_settle_range(Sequence first, Sequence end) {
  first = std::max(first, floor_);
  if (first >= end) return;
  if (first > next_) add_released(next_, first, {});
  next_ = std::max(next_, end);
  out_.erase(out_.lower_bound(first), out_.lower_bound(end));
  remove_released_range(first, end);
  std::int64_t from = first.value;
  std::int64_t to = end.value;
  auto range = settled_.upper_bound(from);
  if (range != settled_.begin() && std::prev(range)->second >= from) --range;
  while (range != settled_.end() && range->first <= to) {
    from = std::min(from, range->first);
    to = std::max(to, range->second);
    range = settled_.erase(range);
  }
  settled_[from] = to;
  advance_floor();
}

void QueueCursor::apply_delivered_mark(Sequence sequence) {
  delivered_mark_ = std::max(delivered_mark_, sequence);
}

void QueueCursor::apply_failures(Sequence sequence, std::uint32_t count) {
  if (sequence < floor_) return;
  if (sequence >= next_) {
    add_released(next_, sequence + 1, {});
    next_ = sequence + 1;
  }
  if (remove_released(sequence)) add_released(sequence, sequence + 1, {count, count});
}

std::vector<QueueCursor::Failures> QueueCursor::failures() const {
  std::vector<Failures> all;
  for (const auto& [first, run] : released_) {
    if (run.past.failures == 0) continue;
    for (Sequence at = first; at < run.end; ++at) all.push_back({at, run.past.failures});
  }
  for (const auto& [sequence, out] : out_) {
    if (out.past.failures > 0) all.push_back({sequence, out.past.failures});
  }
  std::sort(all.begin(), all.end(),
            [](const Failures& a, const Failures& b) { return a.sequence < b.sequence; });
  return all;
}

void QueueCursor::mark_settled(Sequence sequence) {
  out_.erase(sequence);
  remove_released(sequence);
  std::int64_t first = sequence.value;
  std::int64_t end = first + 1;
  auto after = settled_.upper_bound(first);
  if (after != settled_.begin()) {
    auto before = std::prev(after);
    if (before->second >= end) return;
    if (before->second == first) {
      before->second = end;
      first = before->first;
      after = std::next(before);
      if (after != settled_.end() && after->first == end) {
        before->second = after->second;
        settled_.erase(after);
      }
      advance_floor();
      return;
    }
  }
  if (after != settled_.end() && after->first == end) {
    end = after->second;
    settled_.erase(after);
  }
  settled_[first] = end;
  advance_floor();
}

void QueueCursor::advance_floor() {
  while (!settled_.empty() && settled_.begin()->first <= floor_.value) {
    if (settled_.begin()->second > floor_.value) floor_ = Sequence(settled_.begin()->second);
    settled_.erase(settled_.begin());
  }
}

std::size_t QueueCursor::memory_bytes() const {
  return sizeof(*this) + estimate_nodes(out_) + estimate_nodes(released_) +
         estimate_nodes(settled_);
}

void QueueCursor::encode_state(std::string& out) const {
  ByteWriter writer(out);
  writer.varint_signed(floor_.value);
  writer.varint_signed(delivered_mark_.value);
  writer.varint(settled_.size());
  for (const auto& [first, end] : settled_) {
    writer.varint_signed(first);
    writer.varint_signed(end);
  }
}

bool QueueCursor::restore_state(std::string_view bytes) {
  ByteReader reader(bytes);
  floor_ = Sequence(reader.varint_signed());
  delivered_mark_ = Sequence(reader.varint_signed());
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    std::int64_t first = reader.varint_signed();
    settled_[first] = reader.varint_signed();
  }
  if (!reader.done()) return false;
  if (TRV_MUTANT(unacked_lost_in_checkpoint) && !settled_.empty())
    floor_ = Sequence(settled_.rbegin()->second);
  // What was out at the time is ready again, in its place.
  std::int64_t at = floor_.value;
  for (const auto& [first, end] : settled_) {
    add_released(Sequence(at), Sequence(first), {});
    at = end;
  }
  next_ = Sequence(at);
  return true;
}

}  // namespace trv::model
