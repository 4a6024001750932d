#include "base/mutant.h"

#ifdef TRV_MUTANTS

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trv {

bool mutant_chosen(const char* name) noexcept {
  static const char* const wanted = std::getenv("TRIVIUM_MUTANT");
  if (wanted == nullptr || std::strcmp(wanted, name) != 0) return false;
  std::fprintf(stderr, "trivium: the planted bug %s is at work\n", name);
  return true;
}

}  // namespace trv

#endif
