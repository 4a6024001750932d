// For tests of what takes its time: the clocks of the cores that run on this thread are so much
// ahead of the machine's. It may only grow while such a core is there.
#pragma once

#include "runtime/core.h"

namespace trv::runtime {

void test_set_time_passed(Duration duration);

}  // namespace trv::runtime
