// Why a part of a request is refused, in the words for its client.
#pragma once

#include <string>

#include "kafka/errors.h"

namespace trv::kafka {

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::string message = {};

  bool none() const { return code == ErrorCode::none; }
};

}  // namespace trv::kafka
