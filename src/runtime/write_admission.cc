#include <utility>
#include <vector>

#include "base/mutant.h"
#include "runtime/detail/write_admission.h"

namespace trv::runtime::detail {

void WriteAdmission::leave(const Writer* stream) {
  if (stream == alone_) alone_ = nullptr;
  settle(stream);
}

bool WriteAdmission::owes_much() const {
  std::size_t size = 0;
  for (const Writer* one : debtors_) size += one->held();
  return size > limits_.unsent_max && !TRV_MUTANT(turns_owe_any_amount);
}

void WriteAdmission::admit(SteadyTime now) {
  if (waiting_.empty()) return;
  if (!turn_is_over() && now - turn_began_ < turn_max && !TRV_MUTANT(turns_at_once)) return;
  alone_ = nullptr;
  if (owes_much()) return;
  while (!waiting_.empty() && alone_ == nullptr) {
    std::shared_ptr<Writer> next = std::move(waiting_.front());
    waiting_.pop_front();
    alone_ = next.get();
    turn_began_ = now;
    settle(alone_);
    if (!next->on_turn()) {
      alone_ = nullptr;
    } else if (exhausted()) {
      debtors_.push_back(alone_);
    }
  }
}

}  // namespace trv::runtime::detail
