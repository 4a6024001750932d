// Fetch: reads batches of many partitions, waiting for data when asked to. Fetch sessions are not
// kept: every answer says session 0, which the protocol allows, and clients then send full
// requests.
#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/fetch_run.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

constexpr std::int16_t error_session_not_found = 70;
// Requests that do not continue a session: one that wants a new one, and one that wants none.
constexpr std::int32_t session_epoch_first = 0;
constexpr std::int32_t session_epoch_none = -1;
constexpr std::chrono::milliseconds wait_max(60'000);

// From here on topics are asked for by id.
constexpr std::int16_t ids_from_version = 13;

std::vector<FetchTopic> topics_of(const wire::FetchRequest& request, bool by_id) {
  std::vector<FetchTopic> topics;
  topics.reserve(request.topics.size());
  for (const auto& asked : request.topics) {
    FetchTopic& topic = topics.emplace_back();
    topic.name = std::string(asked.name);
    if (by_id) topic.id = asked.topic_id;
    topic.partitions.reserve(asked.partitions.size());
    for (const auto& partition : asked.partitions) {
      topic.partitions.push_back({partition.index, partition.current_leader_epoch,
                                  partition.fetch_offset, partition.max_bytes});
    }
  }
  return topics;
}

void start_run(const Reply& reply, const FetchTerms& terms, std::vector<FetchTopic> topics) {
  Service& service = reply.service();
  // While ids were looked up, the connection may have ended.
  if (service.find(reply.connection()) == nullptr) return;
  FetchId id = service.next_fetch_id();
  auto run = std::make_unique<FetchRun>(reply, id, terms, std::move(topics));
  service.add_fetch(id, std::move(run)).start();
}

}  // namespace

void handle_fetch(const Call& call, const wire::FetchRequest& request) {
  if (request.session_id != 0 && request.session_epoch != session_epoch_first &&
      request.session_epoch != session_epoch_none) {
    wire::FetchResponse response;
    response.error_code = error_session_not_found;
    call.reply.send(response);
    return;
  }
  FetchTerms terms;
  terms.bytes_min = static_cast<std::size_t>(std::max(request.min_bytes, 0));
  terms.bytes_max =
      std::min(static_cast<std::size_t>(std::max(request.max_bytes, 0)), fetch_size_max);
  // More than an answer may hold would never be there.
  terms.bytes_min = std::min(terms.bytes_min, terms.bytes_max);
  terms.isolation =
      request.isolation_level == 1 ? broker::Isolation::committed : broker::Isolation::uncommitted;
  terms.wait = std::clamp(std::chrono::milliseconds(request.max_wait_ms),
                          std::chrono::milliseconds(0), wait_max);
  if (terms.bytes_min == 0) terms.wait = std::chrono::milliseconds(0);
  std::vector<FetchTopic> topics = topics_of(request, call.header.version >= ids_from_version);
  Service& service = call.service;
  std::vector<wire::Uuid> unknown = name_topics(service, topics);
  if (unknown.empty()) return start_run(call.reply, terms, std::move(topics));
  resolve_topic_ids(
      service, std::move(unknown),
      [&service, reply = call.reply, terms, topics = std::move(topics)](TopicNames names) mutable {
        note_topics(service, std::move(names));
        name_topics(service, topics);
        start_run(reply, terms, std::move(topics));
      });
}

}  // namespace trv::kafka
