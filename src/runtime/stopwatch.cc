#include "runtime/stopwatch.h"

namespace trv::runtime {

Stopwatch::Stopwatch() : started_(std::chrono::steady_clock::now()) {}

Duration Stopwatch::elapsed() const { return std::chrono::steady_clock::now() - started_; }

}  // namespace trv::runtime
