// References: consumer groups refer to the entries that they have yet to read, and to those that
// are pending. What becomes of them when entries are deleted: the modes of XADD, XTRIM, XDELEX and
// XACKDEL (Redis 8.2).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "redis/command.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

enum class References : std::uint8_t {
  keep,   // KEEPREF: what is pending stays so
  drop,   // DELREF: it is no longer pending in any group
  acked,  // ACKED: what a group refers to is not deleted
};

// The mode that the word names.
std::optional<References> references_word(ByteView arg);

// Whether a group has yet to read the entry, or has it pending.
bool is_referenced(const model::ClaimGroups& groups, RecordId id);
// The first id that any group refers to, whether or not there is such an entry; nothing: none.
std::optional<RecordId> first_referenced(const model::ClaimGroups& groups);

// Takes the ids behind IDS at `i`, which moves behind them. False after an error reply.
bool parse_ids(Call& call, std::size_t& i, std::vector<RecordId>& ids);

// Entries from `first` to `last` are no longer pending in any group.
Status drop_references(Call& call, broker::Topic& topic, RecordId first, RecordId last);

}  // namespace trv::redis
