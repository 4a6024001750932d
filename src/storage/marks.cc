#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "storage/detail/marks.h"

namespace trv::storage {

std::optional<std::uint32_t> Marks::first_needed(LaneKey lane) const {
  std::optional<std::uint32_t> first;
  for (const std::optional<BlobRange>& mark : of_shard) {
    SegmentId at = mark ? SegmentId::of(mark->blob) : SegmentId{};
    if (!mark || at.session < lane.first) return 0;
    if (at.session != lane.first || at.lane != lane.second) continue;
    first = std::min(first.value_or(at.number), at.number);
  }
  return first;
}

bool Marks::before(ShardId shard, const BlobRange& where) const {
  const std::optional<BlobRange>& mark = of_shard[shard.value];
  return mark && !TRV_MUTANT(checkpoint_mark_ignored) &&
         std::pair(where.blob, where.position) <= std::pair(mark->blob, mark->position);
}

}  // namespace trv::storage
