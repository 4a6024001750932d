// Marks: what of the journal the checkpoints make unnecessary.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/mutant.h"
#include "storage/format.h"
#include "storage/listing.h"

namespace trv::storage {

// Where each shard's state was taken; nothing: replay it from its first entry.
struct Marks {
  std::array<std::optional<BlobRange>, shard_count> of_shard;

  // The first segment of the lane that replay needs, if it needs any.
  std::optional<std::uint32_t> first_needed(LaneKey lane) const {
    std::optional<std::uint32_t> first;
    for (const std::optional<BlobRange>& mark : of_shard) {
      SegmentId at = mark ? SegmentId::of(mark->blob) : SegmentId{};
      if (!mark || at.session < lane.first) return 0;
      if (at.session != lane.first || at.lane != lane.second) continue;
      first = std::min(first.value_or(at.number), at.number);
    }
    return first;
  }
  bool before(ShardId shard, const BlobRange& where) const {
    const std::optional<BlobRange>& mark = of_shard[shard.value];
    return mark && !TRV_MUTANT(checkpoint_mark_ignored) &&
           std::pair(where.blob, where.position) <= std::pair(mark->blob, mark->position);
  }
};

}  // namespace trv::storage
