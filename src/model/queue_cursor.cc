#include "model/queue_cursor.h"

#include "base/assert.h"
#include "base/bytes.h"

namespace trv::model {

std::uint64_t QueueCursor::ready_count(Sequence visible_end) const {
  std::uint64_t fresh = visible_end > next_ ? static_cast<std::uint64_t>(visible_end - next_) : 0;
  return fresh + released_.size();
}

std::optional<Sequence> QueueCursor::first_released() const {
  if (released_.empty()) return std::nullopt;
  return released_.begin()->first;
}

std::optional<Sequence> QueueCursor::first_ready(Sequence visible_end) const {
  if (!released_.empty()) return released_.begin()->first;
  if (next_ < visible_end) return next_;
  return std::nullopt;
}

QueueCursor::Taken QueueCursor::take(Sequence sequence, ConsumerId consumer) {
  Taken taken;
  auto released = released_.find(sequence);
  if (released != released_.end()) {
    taken.redelivered = released->second > 0 || sequence < delivered_mark_;
    taken.delivery_count = released->second + 1;
    released_.erase(released);
  } else {
    TRV_ASSERT(sequence == next_);
    ++next_;
    taken.redelivered = sequence < delivered_mark_;
  }
  out_.insert_or_assign(sequence, Outstanding{consumer, taken.delivery_count});
  return taken;
}

void QueueCursor::skip_to(Sequence sequence) {
  TRV_ASSERT(sequence >= next_);
  if (sequence == next_) return;
  settled_[next_.value] = sequence.value;
  next_ = sequence;
  advance_floor();
}

bool QueueCursor::release(Sequence sequence) {
  auto it = out_.find(sequence);
  if (it == out_.end()) return false;
  released_.emplace(sequence, it->second.delivery_count);
  out_.erase(it);
  return true;
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
    for (; next_ < sequence; ++next_) released_.emplace(next_, 0);
    ++next_;
  }
  mark_settled(sequence);
}

void QueueCursor::apply_settle_below(Sequence sequence) {
  if (sequence <= floor_) return;
  out_.erase(out_.begin(), out_.lower_bound(sequence));
  released_.erase(released_.begin(), released_.lower_bound(sequence));
  next_ = std::max(next_, sequence);
  floor_ = sequence;
  advance_floor();
}

void QueueCursor::apply_delivered_mark(Sequence sequence) {
  delivered_mark_ = std::max(delivered_mark_, sequence);
}

void QueueCursor::mark_settled(Sequence sequence) {
  out_.erase(sequence);
  released_.erase(sequence);
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
  // What was out at the time is ready again, in its place.
  std::int64_t at = floor_.value;
  for (const auto& [first, end] : settled_) {
    for (; at < first; ++at) released_.emplace(Sequence(at), 0);
    at = end;
  }
  next_ = Sequence(at);
  return true;
}

}  // namespace trv::model
