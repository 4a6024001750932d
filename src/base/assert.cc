#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace trv {

void assert_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "trivium: assertion failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace trv
