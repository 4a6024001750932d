// Finding topics on whatever core they live, for requests that are about something else.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/function.h"
#include "kafka/service.h"
#include "kafka/wire/codec.h"

namespace trv::kafka {

struct TopicPlace {
  TopicId id;
  std::int32_t partition_count = 0;

  bool has(std::int32_t partition) const { return partition >= 0 && partition < partition_count; }
};
// The topics that exist.
using TopicPlaces = std::map<std::string, TopicPlace, std::less<>>;

// `done` runs on the home core, at once when it owns all of them.
void find_topic_places(Service& service, std::vector<std::string> names,
                       UniqueFunction<void(TopicPlaces)> done);

// Each id with its topic's name; empty when there is none.
using TopicNames = std::vector<std::pair<wire::Uuid, std::string>>;

// Ids are known to their owners only, so all cores are asked. `done` runs on the home core, at once
// when it is the only one.
void resolve_topic_ids(Service& service, std::vector<wire::Uuid> ids,
                       UniqueFunction<void(TopicNames)> done);

}  // namespace trv::kafka
