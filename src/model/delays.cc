#include "model/delays.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::model {

void Delays::apply_add(DelayKey key, BlobRange where) {
  waiting_[key] = where;
  next_number_ = std::max(next_number_, key.number + 1);
}

void Delays::apply_end(DelayKey key) {
  waiting_.erase(key);
  taken_.erase(key);
}

std::optional<Delayed> Delays::first() const {
  if (waiting_.empty()) return std::nullopt;
  return Delayed{waiting_.begin()->first, waiting_.begin()->second};
}

std::optional<Delayed> Delays::after(DelayKey key) const {
  const auto found = waiting_.upper_bound(key);
  if (found == waiting_.end()) return std::nullopt;
  return Delayed{found->first, found->second};
}

void Delays::take(DelayKey key) {
  auto node = waiting_.extract(key);
  TRV_ASSERT(!node.empty());
  taken_.insert(std::move(node));
}

void Delays::put_back(DelayKey key) {
  auto node = taken_.extract(key);
  if (!node.empty()) waiting_.insert(std::move(node));
}

void Delays::encode_state(std::string& out) const {
  ByteWriter writer(out);
  writer.varint(next_number_);
  writer.varint(count());
  for (const auto* entries :
       {&waiting_, TRV_MUTANT(delayed_under_way_lost_in_checkpoint) ? &waiting_ : &taken_}) {
    for (const auto& [key, where] : *entries) {
      writer.i64_le(key.due_ms);
      writer.varint(key.number);
      writer.u64_le(where.blob);
      writer.u32_le(where.position);
      writer.u32_le(where.length);
    }
  }
}

Status Delays::restore_state(ByteView bytes) {
  ByteReader reader(bytes);
  const std::uint64_t next = reader.varint();
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    DelayKey key;
    key.due_ms = reader.i64_le();
    key.number = reader.varint();
    BlobRange where;
    where.blob = reader.u64_le();
    where.position = reader.u32_le();
    where.length = reader.u32_le();
    if (reader.ok()) apply_add(key, where);
  }
  if (!reader.done()) return Error{Errc::corrupt, "damaged state of delays"};
  if (!TRV_MUTANT(delay_numbers_start_over)) next_number_ = std::max(next_number_, next);
  return {};
}

}  // namespace trv::model
