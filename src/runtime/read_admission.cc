#include "runtime/detail/read_admission.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace trv::runtime::detail {

void ReadAdmission::rest(const RoundMember* stream) {
  if (stream == alone_ && blocks_.in_use() <= in_use_before_) alone_ = nullptr;
}

void ReadAdmission::leave(const RoundMember* stream) {
  if (stream == alone_) alone_ = nullptr;
}

void ReadAdmission::admit(std::vector<std::shared_ptr<RoundMember>>& starting) {
  if (!anyone_may_go_on()) return;
  if (!exhausted()) {
    alone_ = nullptr;
    // As many as there are blocks for: the others would only line up again, thousands each round.
    const std::size_t room = (limit_ - blocks_.in_use()) / InputBuffer::block_size + 1;
    const auto end =
        waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(room, waiting_.size()));
    starting.insert(starting.end(), std::make_move_iterator(waiting_.begin()),
                    std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    return;
  }
  in_use_before_ = blocks_.in_use();
  alone_ = waiting_.front().get();
  starting.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
}

}  // namespace trv::runtime::detail
