// CRC-32C (Castagnoli), as in RFC 3720 and Kafka record batches; by ISA-L, which picks the
// processor's best instructions.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace trv {

// Extends `crc` (0 to begin) over `bytes`: crc32c(crc32c(0, a), b) == crc32c(0, a + b).
std::uint32_t crc32c(std::uint32_t crc, ByteView bytes);

}  // namespace trv
