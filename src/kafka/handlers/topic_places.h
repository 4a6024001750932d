// Finding topics on whatever core they live, for requests that are about something else.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/function.h"
#include "kafka/names.h"
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

// Remembers what was found.
void note_topics(Service& service, TopicNames names);

// Names those of `topics` that are asked for by id, as far as their names are known here. The ids
// of the others.
template <class Topics>
std::vector<wire::Uuid> name_topics(Service& service, Topics& topics) {
  std::vector<wire::Uuid> unknown;
  for (auto& topic : topics) {
    if (!topic.id) continue;
    if (const std::string* name = service.find_topic_name(topic_id(*topic.id))) {
      topic.name = *name;
    } else {
      unknown.push_back(*topic.id);
    }
  }
  return unknown;
}

}  // namespace trv::kafka
