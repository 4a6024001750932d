// The operations of keyspace commands, as docs/formats/keyspace.md gives their bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace trv::model {

enum class KeyspaceOp : std::uint8_t {
  put = 1,
  append = 2,
  remove = 3,
  expire = 4,
  persist = 5,
  clear = 6,
  drop_due = 7,
  push_front = 8,
  push_back = 9,
  pop_front = 10,
  pop_back = 11,
  list_set = 12,
  list_insert = 13,
  list_erase = 14,
  set_add = 15,
  set_remove = 16,
  hash_set = 17,
  hash_remove = 18,
  sorted_add = 19,
  sorted_remove = 20,
  overwrite = 21,
};

// Begins a command about a key; what the operation says follows.
inline void begin_command(std::string& out, KeyspaceOp op, ByteView key) {
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(op));
  writer.sized(key);
}

inline void append_scored(std::string& out, double score, ByteView member) {
  ByteWriter writer(out);
  writer.u64_le(std::bit_cast<std::uint64_t>(score));
  writer.sized(member);
}

}  // namespace trv::model
