// Strong types for identities, places and times. Bare integers live only on the wire and on disk.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <limits>

namespace trv {

// An integer with a meaning. Tag makes two uses of one representation distinct types.
template <class Tag, class Rep>
struct Strong {
  using rep = Rep;
  Rep value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
  constexpr Strong operator+(Rep n) const { return Strong(static_cast<Rep>(value + n)); }
  constexpr Rep operator-(Strong other) const { return static_cast<Rep>(value - other.value); }
};

// Place of a record in one partition's log: dense, assigned once, at append.
using Offset = Strong<struct OffsetTag, std::int64_t>;
// Place of a record in its topic, over all partitions, in append order: dense. Equal to the offset
// in a topic of one partition. Cursors count in sequences.
using Sequence = Strong<struct SequenceTag, std::int64_t>;
using PartitionIndex = Strong<struct PartitionIndexTag, std::int32_t>;
// One of the 256 virtual shards that names hash to; never changes meaning (ARCHITECTURE 7).
using ShardId = Strong<struct ShardIdTag, std::uint8_t>;
// One event loop thread. A core owns a set of virtual shards for a process life.
using CoreIndex = Strong<struct CoreIndexTag, std::uint16_t>;
// A topic's identity: unique for ever, new after delete and re-create.
using TopicId = Strong<struct TopicIdTag, std::uint64_t>;
using ConnectionId = Strong<struct ConnectionIdTag, std::uint64_t>;
using ConsumerId = Strong<struct ConsumerIdTag, std::uint64_t>;
using ProducerId = Strong<struct ProducerIdTag, std::int64_t>;

inline constexpr int shard_count = 256;

// An id chosen by the user or the clock, ascending within a topic, sparse. Printed `ms-seq`.
struct RecordId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  constexpr auto operator<=>(const RecordId&) const = default;

  static constexpr RecordId max() {
    return {std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max()};
  }
  // The next id in order. Requires: *this != max().
  constexpr RecordId next() const {
    return seq == std::numeric_limits<std::uint64_t>::max() ? RecordId{ms + 1, 0}
                                                            : RecordId{ms, seq + 1};
  }
  // The id before in order. Requires: *this != 0-0.
  constexpr RecordId previous() const {
    return seq == 0 ? RecordId{ms - 1, std::numeric_limits<std::uint64_t>::max()}
                    : RecordId{ms, seq - 1};
  }
};

// Milliseconds since the Unix epoch, as a field of journal frames and records.
struct WallTime {
  std::int64_t ms = 0;
  constexpr auto operator<=>(const WallTime&) const = default;
};

// Where bytes live on disk: blobs (journal segments) are never re-used under the same id.
struct BlobRange {
  std::uint64_t blob = 0;      // segment id
  std::uint32_t position = 0;  // byte in the segment
  std::uint32_t length = 0;    // bytes
  constexpr bool operator==(const BlobRange&) const = default;
};

// How far a write must have got before anything is said about it (ARCHITECTURE 5).
enum class Durability : std::uint8_t {
  memory = 0,    // in this process
  os = 1,        // in the page cache: survives kill -9
  interval = 2,  // in the page cache, synced within the interval: bounded loss at power failure
  fsync = 3,     // on stable storage
};

}  // namespace trv

template <class Tag, class Rep>
struct std::hash<trv::Strong<Tag, Rep>> {
  std::size_t operator()(trv::Strong<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
