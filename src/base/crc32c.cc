#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace trv {
namespace {

// The library counts in int.
constexpr std::size_t piece_size_max = 1u << 30;

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, ByteView bytes) {
  std::uint32_t state = ~crc;
  do {
    std::size_t size = std::min(bytes.size(), piece_size_max);
    // Takes a pointer to what it only reads.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(size), state);
    bytes.remove_prefix(size);
  } while (!bytes.empty());
  return ~state;
}

}  // namespace trv
