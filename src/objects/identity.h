// Names of what brokers share over an object store.
#pragma once

#include <cstdint>

#include "base/function.h"
#include "base/ids.h"

namespace trv::objects {

// A process life that owns one chain of slots. Random; never used twice.
using SessionId = Strong<struct SessionIdTag, std::uint64_t>;
// A place in a session's chain, from 0.
using Slot = Strong<struct SlotTag, std::uint64_t>;
// A process life as the author of bytes: random, and known to nobody else.
using WriterId = Strong<struct WriterIdTag, std::uint64_t>;
// A broker, over its process lives.
using NodeId = Strong<struct NodeIdTag, std::uint64_t>;
// A shard's ownership: grows with each change of owner.
using Epoch = Strong<struct EpochTag, std::uint64_t>;

// A source of numbers that nobody can guess and no other process draws.
using Random = UniqueFunction<std::uint64_t()>;

}  // namespace trv::objects
