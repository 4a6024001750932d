// What commands do with their keys, as COMMAND GETKEYSANDFLAGS tells it.
#pragma once

#include <span>

#include "redis/command.h"

namespace trv::redis {

// Of the key that comes first among the arguments, and of those behind it. RO: only read; RW: read
// and written; OW: overwritten; RM: removed. Then: access, when the reply or what is stored depends
// on the value; update, insert or delete, for what is done to it.
struct KeyUses {
  std::string_view first;
  std::string_view others;
};
KeyUses key_uses(const Command& command, std::span<const ByteView> args);

}  // namespace trv::redis
