// WriteAdmission: which streams of one core may have more written for them while their output
// queues together hold all the memory that they may. Then one at a time may, until its peer has
// taken that or a moment is over, and none while what was written in turns and is not taken passes
// the limit by itself. So twice the limit and one answer are held at most.
//
// Owner: Core::State. A stream that may not waits here and gets on_turn() when it may.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "runtime/core.h"
#include "runtime/output_queue.h"

namespace trv::runtime::detail {

// What waits here. shared_ptr, since a Stream may go in between.
class Writer {
 public:
  virtual ~Writer() = default;
  // Bytes in memory of what was written for it; 0 when its peer has taken all.
  virtual std::size_t held() const = 0;
  // Its turn begins; false: it does not wait any more.
  virtual bool on_turn() = 0;
};

class WriteAdmission {
 public:
  // Whose peer takes what it got slowly, or not at all, holds up the others no longer.
  static constexpr std::chrono::milliseconds turn_max{100};

  WriteAdmission(const OutputBlockPool& blocks, const ConnectionLimits& limits)
      : blocks_(blocks), limits_(limits) {}

  bool exhausted() const { return blocks_.held > limits_.unsent_max; }
  bool admits(const Writer* stream) const {
    return stream == alone_ || (waiting_.empty() && !exhausted());
  }
  bool anyone_waits() const { return !waiting_.empty(); }

  void wait(std::shared_ptr<Writer> stream) { waiting_.push_back(std::move(stream)); }
  // Its peer has taken all that it had.
  void settle(const Writer* stream) { std::erase(debtors_, stream); }
  // Nothing will be written for it again.
  void leave(const Writer* stream);

  bool anyone_may_go_on() const { return anyone_waits() && turn_is_over() && !owes_much(); }
  // Others wait for those whose turn is over and who do not take what they got in it.
  bool holds_up_others() const { return anyone_waits() && owes_much(); }
  void clear() { waiting_.clear(); }
  // Gives the turn to the next one. Called once a round.
  void admit(SteadyTime now);

 private:
  bool turn_is_over() const { return alone_ == nullptr || !exhausted() || alone_->held() == 0; }
  bool owes_much() const;

  const OutputBlockPool& blocks_;
  const ConnectionLimits& limits_;
  std::deque<std::shared_ptr<Writer>> waiting_;  // in order of coming
  const Writer* alone_ = nullptr;                // leaves before it goes
  std::vector<const Writer*> debtors_;           // had a turn beyond the limit; the same
  SteadyTime turn_began_;
};

}  // namespace trv::runtime::detail
