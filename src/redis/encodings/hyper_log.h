// HyperLog: how many different elements were added, estimated in 12 KiB, as Redis keeps it in a
// string: GET and SET move it between servers.
//
//   bytes   field
//   4       HYLL
//   1       0 dense, 1 sparse
//   3       0
//   8       the last count, little-endian; its highest bit says that it is no longer true
//           dense: 16384 registers of 6 bits, the lowest bits of a byte first: 12288 bytes
//           sparse: runs of registers:
//             00nnnnnn            n + 1 registers are 0
//             01nnnnnn nnnnnnnn   n + 1 registers are 0
//             1vvvvvnn            n + 1 registers are v + 1
//
// Pure. The sparse form is used while it has at most sparse_size_max bytes and no register is above
// 32; nothing becomes sparse again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace trv::redis {

class HyperLog {
 public:
  static constexpr std::size_t register_count = 16384;
  static constexpr std::size_t sparse_size_max = 3000;

  // Whether the string is one, as far as its header and size say.
  static bool is_one(ByteView text);

  // Empty and sparse.
  HyperLog() { registers_.fill(0); }
  // Requires: is_one(). Nothing when its registers are damaged.
  static std::optional<HyperLog> decode(ByteView text);
  std::string encode() const;

  // Whether that changed it.
  bool add(ByteView element);
  // Takes the greater registers of both, and the dense form of either.
  void merge(const HyperLog& other);
  std::uint64_t count() const;
  // What was counted last, if that is still true.
  std::optional<std::uint64_t> known_count() const { return known_count_; }

 private:
  static bool decode_dense(ByteView bytes, HyperLog& into);
  static bool decode_sparse(ByteView bytes, HyperLog& into);
  std::string sparse_bytes() const;
  std::string dense_bytes() const;

  std::array<std::uint8_t, register_count> registers_;
  bool dense_ = false;
  std::optional<std::uint64_t> known_count_ = 0;
};

}  // namespace trv::redis
