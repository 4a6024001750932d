// Marks: what of the journal the checkpoints make unnecessary.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "storage/format.h"
#include "storage/listing.h"

namespace trv::storage {

// Where each shard's state was taken; nothing: replay it from its first entry.
struct Marks {
  std::array<std::optional<BlobRange>, shard_count> of_shard;

  // The first segment of the lane that replay needs, if it needs any.
  std::optional<std::uint32_t> first_needed(LaneKey lane) const;
  // The shard's state has what lies there.
  bool before(ShardId shard, const BlobRange& where) const;
};

}  // namespace trv::storage
