// DescribeTopicPartitions: topics in the order of their names, page by page.
#include <algorithm>

#include "base/sort_unique.h"
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"
#include "kafka/state_topics.h"

namespace trv::kafka {
namespace {

using Response = wire::DescribeTopicPartitionsResponse;

// As Kafka's max.request.partition.size.limit.
constexpr std::int32_t page_size_max = 2000;
constexpr std::int32_t leader_epoch = 0;

struct Asked {
  std::vector<std::string> names;  // in order, each once; empty: all
  std::int32_t page_size = page_size_max;
  std::optional<Response::Cursor> cursor;

  std::int32_t first_index(const std::string& name) const {
    return cursor && cursor->topic_name == name ? cursor->partition_index : 0;
  }
};

Response::Topic describe(const std::string& name, const TopicPlaces& places) {
  Response::Topic topic;
  topic.name = name;
  topic.authorized_operations = topic_operations;
  auto place = places.find(name);
  if (place != places.end()) {
    topic.topic_id = topic_uuid(place->second.id);
    topic.is_internal = is_internal_topic(name);
  } else if (valid_topic_name(name)) {
    topic.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
  } else {
    topic.error_code = wire_code(ErrorCode::invalid_topic);
  }
  return topic;
}

Response::Topic::Partition describe_partition(std::int32_t index, std::int32_t node_id) {
  Response::Topic::Partition partition;
  partition.index = index;
  partition.leader_id = node_id;
  partition.leader_epoch = leader_epoch;
  partition.replica_nodes = {node_id};
  partition.isr_nodes = {node_id};
  partition.eligible_leader_replicas.emplace();
  partition.last_known_elr.emplace();
  return partition;
}

void send_page(const Reply& reply, Asked asked, const TopicPlaces& places) {
  if (asked.names.empty()) {
    for (const auto& [name, place] : places) asked.names.push_back(name);
  }
  std::int32_t node_id = reply.service().options().node_id;
  std::int32_t left = asked.page_size;
  Response response;
  for (const std::string& name : asked.names) {
    if (asked.cursor && name < asked.cursor->topic_name) continue;
    if (left == 0) {
      response.cursor = Response::Cursor{name, 0};
      break;
    }
    Response::Topic& topic = response.topics.emplace_back(describe(name, places));
    auto place = places.find(name);
    if (place == places.end()) continue;
    std::int32_t index = asked.first_index(name);
    for (; place->second.has(index) && left > 0; ++index, --left) {
      topic.partitions.push_back(describe_partition(index, node_id));
    }
    if (place->second.has(index)) {
      response.cursor = Response::Cursor{name, index};
      break;
    }
  }
  reply.send(response);
}

// A page cannot begin where the cursor says.
void refuse(const Reply& reply, const Asked& asked) {
  Response response;
  for (const std::string& name : asked.names) {
    Response::Topic& topic = response.topics.emplace_back();
    topic.name = name;
    topic.error_code = wire_code(ErrorCode::invalid_request);
  }
  reply.send(response);
}

void find_all(Service& service, UniqueFunction<void(TopicPlaces)> done) {
  service.broker().gather(
      [](broker::Broker& owner) { return owner.topics().list(); },
      [done =
           std::move(done)](const std::vector<std::vector<broker::TopicFacts>>& by_core) mutable {
        TopicPlaces places;
        for (const auto& topics : by_core) {
          for (const broker::TopicFacts& facts : topics) {
            if (!valid_topic_name(facts.name)) continue;
            places.emplace(facts.name, TopicPlace{facts.id, facts.settings.partition_count});
          }
        }
        done(std::move(places));
      });
}

// Names are left to be looked at from `next` on.
void provide_all(Service& service, std::vector<std::string> names, std::size_t next,
                 UniqueFunction<void()> done) {
  while (next < names.size() && !is_internal_topic(names[next])) ++next;
  if (next == names.size()) return done();
  const std::string name = names[next];
  StateTopics::provide(
      service.broker(), name,
      [&service, names = std::move(names), next, done = std::move(done)]() mutable {
        provide_all(service, std::move(names), next + 1, std::move(done));
      });
}

}  // namespace

void handle_describe_topic_partitions(const Call& call,
                                      const wire::DescribeTopicPartitionsRequest& request) {
  Asked asked;
  for (const auto& topic : request.topics) asked.names.emplace_back(topic.name);
  sort_unique(asked.names);
  asked.page_size = std::clamp(request.partition_limit, 1, page_size_max);
  if (request.cursor) {
    asked.cursor =
        Response::Cursor{std::string(request.cursor->topic_name), request.cursor->partition_index};
    bool named = asked.names.empty() || std::binary_search(asked.names.begin(), asked.names.end(),
                                                           asked.cursor->topic_name);
    if (!named || asked.cursor->partition_index < 0) return refuse(call.reply, asked);
  }
  auto found = [reply = call.reply, asked](const TopicPlaces& places) {
    send_page(reply, asked, places);
  };
  if (asked.names.empty()) {
    find_all(call.service, std::move(found));
  } else {
    provide_all(call.service, asked.names, 0,
                [&service = call.service, names = asked.names, found = std::move(found)]() mutable {
                  find_topic_places(service, std::move(names), std::move(found));
                });
  }
}

}  // namespace trv::kafka
