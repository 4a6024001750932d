#include "base/utf8.h"

namespace trv {

std::size_t utf8_sequence_size(ByteView bytes) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const auto follows = [&](std::size_t i, std::uint8_t low, std::uint8_t high) {
    return i < bytes.size() && octet(i) >= low && octet(i) <= high;
  };
  const std::uint8_t first = octet(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    // No over-long forms, no surrogates.
    const std::uint8_t low = first == 0xe0 ? 0xa0 : 0x80;
    const std::uint8_t high = first == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const std::uint8_t low = first == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

bool is_valid_utf8(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t size = utf8_sequence_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::string to_valid_utf8(ByteView bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t size = utf8_sequence_size(bytes);
    out += size == 0 ? ByteView("\xef\xbf\xbd") : bytes.substr(0, size);
    bytes.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace trv
