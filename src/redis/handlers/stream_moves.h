// RENAME and COPY of streams. A stream is a topic, whose log lies where its name says; so another
// name is another topic, into which the entries are copied, with their ids, the groups with what is
// pending, and the names of entries that were added once. All of it is one round's change: after a
// crash it is there whole or not at all.
#pragma once

#include "redis/command.h"

namespace trv::broker {
struct Topic;
}  // namespace trv::broker

namespace trv::redis {

// Copies the stream to call.args[2], where something else makes place, and removes it if it is to
// `move`. False when that is not done: the reply says why, or the command waits (call.block).
bool copy_stream(Call& call, broker::Topic& from, bool move);

}  // namespace trv::redis
