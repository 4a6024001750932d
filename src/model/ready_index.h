// ReadyIndex: which of a queue's ready records goes first when priorities decide, and how many
// bytes are ready when a limit counts them. Queues that need neither have none.
//
// Owner: the queue. It is derived: rebuilt from the log after a restart, in the order of the log.
//
// Invariants:
//   - a record before end() is ready, out or forgotten; one at or after it is not known yet;
//   - first() is the oldest record of the highest level that has any.
// Ready records are kept as runs by level, so a backlog of one priority takes no memory by the
// record; sizes take four bytes each, and only when they are counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace trv::model {

class ReadyIndex {
 public:
  // `level_max`: levels above it count as it. `start`: the first record that may come.
  struct Options {
    std::uint8_t level_max = 0;
    bool counts_bytes = false;
  };
  ReadyIndex(Options options, Sequence start)
      : options_(options), end_(start), sizes_start_(start) {}

  // Everything before it has been added, or passed over.
  Sequence end() const { return end_; }
  std::uint64_t bytes() const { return bytes_; }
  bool counts_bytes() const { return options_.counts_bytes; }
  std::optional<Sequence> first() const;
  // The oldest of each level that has any, the highest level first.
  std::vector<Sequence> heads() const;

  // A record that is ready. Requires: sequence >= end().
  void add(Sequence sequence, std::uint8_t level, std::uint32_t size);
  // Up to `sequence` there is nothing else.
  void pass_to(Sequence sequence);
  // What is ready goes out; what is out is ready again. Unknown sequences change nothing.
  void take(Sequence sequence);
  void restore(Sequence sequence);
  // Settled: neither ready nor out.
  void forget(Sequence sequence);
  void forget_below(Sequence sequence);

  // What it takes, near enough to be told.
  std::size_t memory_bytes() const;

 private:
  using Runs = std::map<Sequence, Sequence>;  // first -> end, disjoint

  std::optional<std::uint8_t> remove_ready(Sequence sequence);
  void add_ready(Sequence sequence, std::uint8_t level);
  std::uint32_t size_of(Sequence sequence) const;

  Options options_;
  Sequence end_;
  std::map<std::uint8_t, Runs, std::greater<>> levels_;  // none empty
  std::map<Sequence, std::uint8_t> out_;                 // and their levels
  std::uint64_t bytes_ = 0;                              // of what is ready
  Sequence sizes_start_;
  std::deque<std::uint32_t> sizes_;  // from sizes_start_ to end_, when bytes are counted
};

}  // namespace trv::model
