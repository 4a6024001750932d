#include "kafka/handlers/topic_places.h"

#include <algorithm>
#include <memory>

#include "base/sort_unique.h"
#include "broker/topics.h"
#include "kafka/names.h"

namespace trv::kafka {

void find_topic_places(Service& service, std::vector<std::string> names,
                       UniqueFunction<void(TopicPlaces)> done) {
  // Shared by the answers of other cores; used on the home core only.
  struct Search {
    TopicPlaces places;
    int missing = 1;
    UniqueFunction<void(TopicPlaces)> done;
    void arrived() {
      if (--missing == 0) done(std::move(places));
    }
  };
  sort_unique(names);
  auto search = std::make_shared<Search>();
  search->done = std::move(done);
  CoreIndex home = service.home();
  for (std::string& name : names) {
    ++search->missing;
    std::string at = name;
    service.broker().at(at, [search, home, name = std::move(name)](broker::Broker& owner) mutable {
      TopicPlace place;
      broker::Topic* topic = valid_topic_name(name) ? owner.topics().find(name) : nullptr;
      if (topic != nullptr) {
        place = {owner.topics().state(*topic).id(),
                 broker::Topics::settings(*topic).partition_count};
      }
      back_home(owner, home,
                [search = std::move(search), name = std::move(name), found = topic != nullptr,
                 place]() mutable {
                  if (found) search->places.emplace(std::move(name), place);
                  search->arrived();
                });
    });
  }
  search->arrived();
}

void note_topics(Service& service, TopicNames names) {
  for (auto& [uuid, name] : names) {
    if (!name.empty()) service.note_topic_name(topic_id(uuid), std::move(name));
  }
}

void resolve_topic_ids(Service& service, std::vector<wire::Uuid> ids,
                       UniqueFunction<void(TopicNames)> done) {
  auto find_here = [ids](broker::Broker& owner) {
    TopicNames found;
    for (const broker::TopicFacts& facts : owner.topics().list()) {
      wire::Uuid id = topic_uuid(facts.id);
      if (std::find(ids.begin(), ids.end(), id) != ids.end() && valid_topic_name(facts.name)) {
        found.emplace_back(id, facts.name);
      }
    }
    return found;
  };
  service.broker().gather(
      std::move(find_here),
      [ids, done = std::move(done)](const std::vector<TopicNames>& by_core) mutable {
        TopicNames names;
        for (const wire::Uuid& id : ids) {
          std::string name;
          for (const TopicNames& found : by_core) {
            for (const auto& [found_id, found_name] : found) {
              if (found_id == id) name = found_name;
            }
          }
          names.emplace_back(id, std::move(name));
        }
        done(std::move(names));
      });
}

}  // namespace trv::kafka
