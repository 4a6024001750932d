#include "model/ready_index.h"

#include <algorithm>

#include "base/assert.h"
#include "base/memory_estimate.h"

namespace trv::model {

std::optional<Sequence> ReadyIndex::first() const {
  if (levels_.empty()) return std::nullopt;
  return levels_.begin()->second.begin()->first;
}

std::vector<Sequence> ReadyIndex::heads() const {
  std::vector<Sequence> heads;
  for (const auto& [level, runs] : levels_) heads.push_back(runs.begin()->first);
  return heads;
}

void ReadyIndex::add(Sequence sequence, std::uint8_t level, std::uint32_t size) {
  pass_to(sequence);
  add_ready(sequence, std::min(level, options_.level_max));
  end_ = sequence + 1;
  if (!options_.counts_bytes) return;
  sizes_.push_back(size);
  bytes_ += size;
}

void ReadyIndex::pass_to(Sequence sequence) {
  TRV_ASSERT(sequence >= end_);
  if (options_.counts_bytes) sizes_.resize(static_cast<std::size_t>(sequence - sizes_start_));
  end_ = sequence;
}

void ReadyIndex::take(Sequence sequence) {
  std::optional<std::uint8_t> level = remove_ready(sequence);
  if (level) out_.insert_or_assign(sequence, *level);
}

void ReadyIndex::restore(Sequence sequence) {
  auto it = out_.find(sequence);
  if (it == out_.end()) return;
  add_ready(sequence, it->second);
  bytes_ += size_of(sequence);
  out_.erase(it);
}

void ReadyIndex::forget(Sequence sequence) {
  if (out_.erase(sequence) == 0) remove_ready(sequence);
}

void ReadyIndex::forget_below(Sequence sequence) {
  out_.erase(out_.begin(), out_.lower_bound(sequence));
  for (Sequence head; !levels_.empty();) {
    std::vector<Sequence> all = heads();
    head = *std::min_element(all.begin(), all.end());
    if (head >= sequence) break;
    remove_ready(head);
  }
  if (sequence > end_) pass_to(sequence);
  while (sizes_start_ < sequence && !sizes_.empty()) {
    sizes_.pop_front();
    ++sizes_start_;
  }
  if (!options_.counts_bytes || sizes_.empty()) sizes_start_ = end_;
}

std::optional<std::uint8_t> ReadyIndex::remove_ready(Sequence sequence) {
  for (auto level = levels_.begin(); level != levels_.end(); ++level) {
    Runs& runs = level->second;
    auto after = runs.upper_bound(sequence);
    if (after == runs.begin()) continue;
    auto run = std::prev(after);
    Sequence end = run->second;
    if (end <= sequence) continue;
    if (run->first == sequence) {
      after = runs.erase(run);
    } else {
      run->second = sequence;
    }
    if (sequence + 1 < end) runs.emplace_hint(after, sequence + 1, end);
    std::uint8_t number = level->first;
    if (runs.empty()) levels_.erase(level);
    bytes_ -= size_of(sequence);
    return number;
  }
  return std::nullopt;
}

void ReadyIndex::add_ready(Sequence sequence, std::uint8_t level) {
  Runs& runs = levels_[level];
  Sequence end = sequence + 1;
  auto after = runs.upper_bound(sequence);
  if (after != runs.end() && after->first == end) {
    end = after->second;
    after = runs.erase(after);
  }
  if (after != runs.begin() && std::prev(after)->second == sequence) {
    std::prev(after)->second = end;
    return;
  }
  runs.emplace_hint(after, sequence, end);
}

std::uint32_t ReadyIndex::size_of(Sequence sequence) const {
  if (!options_.counts_bytes || sequence < sizes_start_ || sequence >= end_) return 0;
  return sizes_[static_cast<std::size_t>(sequence - sizes_start_)];
}

std::size_t ReadyIndex::memory_bytes() const {
  std::size_t bytes = sizeof(*this) + estimate_nodes(out_) + estimate_array(sizes_);
  for (const auto& [level, runs] : levels_) bytes += node_overhead + estimate_nodes(runs);
  return bytes;
}

}  // namespace trv::model
