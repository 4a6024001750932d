// The categories of commands, as ACL rules and COMMAND have them (+@read, -@dangerous).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "redis/command.h"

namespace trv::redis {

// In Redis's order. The bit of each in a set of categories is its place.
inline constexpr std::array<std::string_view, 21> category_names = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

// Those of a command.
std::uint32_t categories_of(const Command& command);
// The bit of the category of this name, ignoring case; nothing when there is none.
std::optional<std::uint32_t> find_category(ByteView name);

}  // namespace trv::redis
