#include "model/partitioner.h"

namespace trv::model {

std::uint32_t murmur2(ByteView bytes) {
  constexpr std::uint32_t seed = 0x9747b28c;
  constexpr std::uint32_t m = 0x5bd1e995;
  constexpr int r = 24;
  std::uint32_t h = seed ^ static_cast<std::uint32_t>(bytes.size());
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 4; left -= 4, p += 4) {
    std::uint32_t k = load_le<std::uint32_t>(p);
    k *= m;
    k ^= k >> r;
    k *= m;
    h = (h * m) ^ k;
  }
  if (left >= 3) h ^= static_cast<std::uint32_t>(static_cast<std::uint8_t>(p[2])) << 16;
  if (left >= 2) h ^= static_cast<std::uint32_t>(static_cast<std::uint8_t>(p[1])) << 8;
  if (left >= 1) {
    h ^= static_cast<std::uint8_t>(p[0]);
    h *= m;
  }
  h ^= h >> 13;
  h *= m;
  h ^= h >> 15;
  return h;
}

}  // namespace trv::model
