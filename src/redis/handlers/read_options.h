// The options that XREAD and XREADGROUP share.
#pragma once

#include <chrono>
#include <optional>

#include "redis/command.h"

namespace trv::redis {

struct ReadOptions {
  std::size_t count = static_cast<std::size_t>(-1);
  std::optional<std::chrono::milliseconds> block;  // 0: for ever
  bool no_ack = false;
  std::optional<std::chrono::milliseconds> claim_idle;  // XREADGROUP: of what is pending, too
  ByteView group;
  ByteView consumer;
  std::size_t keys_at = 0;  // index of the first key; the ids follow the keys
  std::size_t stream_count = 0;
};

// False after an error reply.
bool parse_read_options(Call& call, bool with_group, ReadOptions& options);

}  // namespace trv::redis
