#include "runtime/detail/read_admission.h"

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
    starting.insert(starting.end(), std::make_move_iterator(waiting_.begin()),
                    std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    return;
  }
  in_use_before_ = blocks_.in_use();
  alone_ = waiting_.front().get();
  starting.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
}

}  // namespace trv::runtime::detail
