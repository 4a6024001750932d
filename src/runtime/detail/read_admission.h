// ReadAdmission: which streams of one core may read while their input buffers together hold all the
// memory that they may. Then one at a time does, so that there is always a message that gets whole
// and gives its memory back: what is held is bounded by the limit and one message.
//
// Owner: Core::State. A stream that may not read waits here and gets on_round_start() when it may.
#pragma once

#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <vector>

#include "runtime/input_buffer.h"

namespace trv::runtime::detail {

class RoundMember;

class ReadAdmission {
 public:
  explicit ReadAdmission(const InputBlockPool& blocks) : blocks_(blocks) {}

  void set_limit(std::size_t bytes) { limit_ = bytes; }
  bool exhausted() const { return blocks_.in_use() >= limit_; }
  bool admits(const RoundMember* stream) const { return !exhausted() || stream == alone_; }
  // The one that reads while the others wait; null when there is none.
  bool is_alone(const RoundMember* stream) const { return stream == alone_; }
  bool anyone_waits() const { return !waiting_.empty(); }

  void wait(std::shared_ptr<RoundMember> stream) { waiting_.push_back(std::move(stream)); }
  // It has nothing to read now. If it holds no more than when its turn came, the turn ends.
  void rest(const RoundMember* stream);
  // It will not read again.
  void leave(const RoundMember* stream);

  bool anyone_may_go_on() const { return anyone_waits() && (!exhausted() || alone_ == nullptr); }
  void clear() { waiting_.clear(); }
  // Adds those that may go on, in order. Called once a round.
  void admit(std::vector<std::shared_ptr<RoundMember>>& starting);

 private:
  const InputBlockPool& blocks_;
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();
  std::deque<std::shared_ptr<RoundMember>> waiting_;  // in order of coming
  const RoundMember* alone_ = nullptr;                // only compared
  std::size_t in_use_before_ = 0;                     // when its turn came
};

}  // namespace trv::runtime::detail
