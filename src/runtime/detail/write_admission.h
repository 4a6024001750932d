// WriteAdmission: which streams of one core may have more written for them while their output
// queues together hold all the memory that they may. Then one at a time may, until its peer has
// taken that or a moment is over: what is held is bounded by the limit and what is written in the
// turns of peers that do not take it and have not been dropped yet.
//
// Owner: Core::State. A stream that may not waits here and gets on_turn() when it may.
#pragma once

#include <deque>
#include <memory>

#include "runtime/core.h"
#include "runtime/output_queue.h"

namespace trv::runtime::detail {

// What waits here. shared_ptr, since a Stream may go in between.
class Writer {
 public:
  virtual ~Writer() = default;
  // Its peer has taken all that was written for it.
  virtual bool all_sent() const = 0;
  // Its turn begins; false: it does not wait any more.
  virtual bool on_turn() = 0;
};

class WriteAdmission {
 public:
  // Whose peer takes what it got slowly, or not at all, holds up the others no longer.
  static constexpr std::chrono::milliseconds turn_max{100};

  WriteAdmission(const OutputBlockPool& blocks, const ConnectionLimits& limits)
      : blocks_(blocks), limits_(limits) {}

  bool exhausted() const { return blocks_.queued > limits_.unsent_max; }
  bool admits(const Writer* stream) const {
    return stream == alone_ || (waiting_.empty() && !exhausted());
  }
  bool anyone_waits() const { return !waiting_.empty(); }

  void wait(std::shared_ptr<Writer> stream) { waiting_.push_back(std::move(stream)); }
  // Nothing will be written for it again.
  void leave(const Writer* stream);

  bool anyone_may_go_on() const { return anyone_waits() && turn_is_over(); }
  void clear() { waiting_.clear(); }
  // Gives the turn to the next one. Called once a round.
  void admit(SteadyTime now);

 private:
  bool turn_is_over() const { return alone_ == nullptr || !exhausted() || alone_->all_sent(); }

  const OutputBlockPool& blocks_;
  const ConnectionLimits& limits_;
  std::deque<std::shared_ptr<Writer>> waiting_;  // in order of coming
  const Writer* alone_ = nullptr;                // leaves before it goes
  SteadyTime turn_began_;
};

}  // namespace trv::runtime::detail
