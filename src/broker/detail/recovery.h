// Applying journal entries and checkpoint sections to a shard, and writing such sections.
// One function an entry kind; the live services change state through the same model calls.
#pragma once

#include <string>

#include "broker/broker.h"

namespace trv::broker::detail {

// Errors: corrupt. Entries about topics and queues that are gone (or were transient) change
// nothing.
Status apply_entry(Broker& broker, storage::EntryKind kind, ShardState& shard, ByteView payload,
                   BlobRange where);

// The shard's state as a list of (u8 kind, sized payload), in an order in which it can be applied.
void write_snapshot(Broker& broker, ShardState& shard, std::string& out);

}  // namespace trv::broker::detail
