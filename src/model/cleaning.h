// Cleaning: the decisions of the compactor, without any bytes moved: which segments are worth
// emptying, which part of a partition is worth cleaning, and which records of a batch stay.
//
// "Clean" means: of each key only the newest record is there. A partition is clean up to its
// clean mark (Topic::clean_mark); what follows is dirty. One cleaning reads the dirty part into a
// KeyMap and then goes through the partition from its start, leaving out what the map knows a newer
// record of. Offsets never change.
//
// Pure: no I/O, no clock, no randomness of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/batch.h"
#include "model/topic.h"

namespace trv::model {

// --- segments ------------------------------------------------------------------------------------

struct SegmentUse {
  std::uint64_t blob = 0;  // ascending ids are ascending age
  std::uint64_t size = 0;  // bytes on disk
  std::uint64_t live = 0;  // bytes of batches that somebody may still read
};

// Those that are live by less than half, oldest first, as many as can be copied with `live_max`
// bytes; always one, when there is any.
std::vector<std::uint64_t> choose_segments(std::vector<SegmentUse> segments,
                                           std::uint64_t live_max);

// --- batches -------------------------------------------------------------------------------------

struct Rewritten {
  std::int32_t kept = 0;
  // The whole batch anew, with the same offsets, producer and codec; empty when no record is left,
  // or nothing has changed.
  std::string bytes;
};

// The batch without the records that `keep` refuses. `tombstones_until_ms`, when given, is put into
// its header, and its tombstones stay until then. Errors: as batch_records() and compress().
Result<Rewritten> rewrite_batch(const Slice& batch, const BatchHeader& header,
                                const std::function<bool(const BatchRecord&)>& keep,
                                std::optional<std::int64_t> tombstones_until_ms = {});

// A batch without records, for the offsets [base, end): who reads it goes on behind them.
std::string empty_batch(Offset base, Offset end);

// --- keys ----------------------------------------------------------------------------------------

// The newest offset of each key, by a keyed 128-bit hash of it.
class KeyMap {
 public:
  // `seed` is random, so that nobody can make keys that collide.
  KeyMap(std::uint64_t seed, std::size_t keys_max) : seed_(seed), keys_max_(keys_max) {}

  bool full() const { return newest_.size() >= keys_max_; }
  std::size_t size() const { return newest_.size(); }
  void add(ByteView key, Offset offset);
  // Whether it knows a newer record of that key.
  bool superseded(ByteView key, Offset offset) const;

 private:
  struct Hash {
    std::uint64_t low;
    std::uint64_t high;
    bool operator==(const Hash&) const = default;
  };
  struct Low {
    std::size_t operator()(const Hash& hash) const { return hash.low; }
  };
  Hash hash_of(ByteView key) const;

  std::uint64_t seed_;
  std::size_t keys_max_;
  std::unordered_map<Hash, Offset, Low> newest_;
};

// --- partitions ----------------------------------------------------------------------------------

// [dirty, end) is to be cleaned now; nothing when it is not worth it.
struct CleanRange {
  Offset dirty;
  Offset end;
};

// `stable_end`: no transaction is open below, and all of it may be seen. The newest batch is never
// part of it. Looks at batch entries from the clean mark on, and at all of them for the sizes.
std::optional<CleanRange> plan_cleaning(const Topic& topic, PartitionIndex partition,
                                        Offset stable_end, WallTime now);

enum class BatchFate : std::uint8_t {
  keep,  // as it is
  drop,  // all of it
  read,  // its records decide
};
// What becomes of a batch that lies in the part that is clean afterwards.
// Markers of commits go when tombstones of their age would; markers of aborts stay, because readers
// of committed records are still told of their transactions.
BatchFate fate_of(const BatchEntry& entry, bool marker_commits, const Cleaning& cleaning,
                  WallTime now);

// Whether a record stays: it is the newest of its key as far as `keys` knows, and no tombstone that
// is due. `key`: null for a record without one, which has no place in a cleaned log.
bool stays(const KeyMap& keys, std::optional<ByteView> key, bool tombstone, Offset offset,
           bool tombstones_due);

}  // namespace trv::model
