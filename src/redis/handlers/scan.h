// Walking over all names of the server: the keys of every shard, then the shard's topics.
//
// A cursor is 256 * (place in the shard's keyspace) + (ordinal of the shard); 0 begins and ends.
// Shards are visited core by core, so that one call stays on one core.
#pragma once

#include "broker/broker.h"

namespace trv::redis {

// The core on which the cursor goes on; this one when the cursor is not a number.
CoreIndex scan_owner(broker::Broker& broker, ByteView cursor);

}  // namespace trv::redis
