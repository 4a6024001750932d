// Stopwatch: how long one handler has been running, for work that ends itself when it takes too
// long. It is no clock: it decides nothing that is stored, and Core::now() stands still meanwhile.
#pragma once

#include "runtime/core.h"

namespace trv::runtime {

class Stopwatch {
 public:
  Stopwatch();
  Duration elapsed() const;

 private:
  SteadyTime started_;
};

}  // namespace trv::runtime
