// What stands before the stored batch in a journal entry of kind `batch_moved`
// (docs/formats/entries.md): 16 bytes, little-endian.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::broker::detail {

struct MovedPrefix {
  static constexpr std::size_t size = 16;

  TopicId topic;
  Sequence first_sequence;

  void encode(char* out) const {
    store_le(out, topic.value);
    store_le(out + 8, first_sequence.value);
  }
  // Requires: `bytes` holds at least `size` bytes.
  static MovedPrefix decode(ByteView bytes) {
    return {TopicId(load_le<std::uint64_t>(bytes.data())),
            Sequence(load_le<std::int64_t>(bytes.data() + 8))};
  }
};

}  // namespace trv::broker::detail
