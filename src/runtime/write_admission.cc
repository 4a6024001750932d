#include <utility>

#include "base/mutant.h"
#include "runtime/detail/write_admission.h"

namespace trv::runtime::detail {

void WriteAdmission::leave(const Writer* stream) {
  if (stream == alone_) alone_ = nullptr;
}

void WriteAdmission::admit(SteadyTime now) {
  if (waiting_.empty()) return;
  if (!turn_is_over() && now - turn_began_ < turn_max && !TRV_MUTANT(turns_at_once)) return;
  alone_ = nullptr;
  while (!waiting_.empty() && alone_ == nullptr) {
    std::shared_ptr<Writer> next = std::move(waiting_.front());
    waiting_.pop_front();
    alone_ = next.get();
    turn_began_ = now;
    if (!next->on_turn()) alone_ = nullptr;
  }
}

}  // namespace trv::runtime::detail
