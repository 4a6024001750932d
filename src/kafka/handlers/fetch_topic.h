// What a fetch asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kafka/wire/codec.h"

namespace trv::kafka {

struct FetchPartition {
  std::int32_t index = 0;
  std::int32_t leader_epoch = -1;
  std::int64_t offset = 0;
  std::int32_t bytes_max = 0;
};

struct FetchTopic {
  std::string name;  // empty: of an id that no topic has
  // When that was asked for: of another topic of the name nothing is read.
  std::optional<wire::Uuid> id;
  std::vector<FetchPartition> partitions;
};

}  // namespace trv::kafka
