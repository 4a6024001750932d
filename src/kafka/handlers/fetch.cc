// Fetch: reads batches of many partitions, waiting for data when asked to, for a single request or
// for one of a session (fetch_sessions.h).
#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/fetch_quota.h"
#include "kafka/handlers/fetch_run.h"
#include "kafka/handlers/fetch_sessions.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

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

std::vector<FetchTopic> forgotten_of(const wire::FetchRequest& request, bool by_id) {
  std::vector<FetchTopic> topics;
  topics.reserve(request.forgotten_topics.size());
  for (const auto& forgotten : request.forgotten_topics) {
    FetchTopic& topic = topics.emplace_back();
    topic.name = std::string(forgotten.name);
    if (by_id) topic.id = forgotten.topic_id;
    topic.partitions.reserve(forgotten.partitions.size());
    for (std::int32_t index : forgotten.partitions) topic.partitions.push_back({index});
  }
  return topics;
}

struct Begun {
  ErrorCode error = ErrorCode::none;
  FetchContext context;
  std::vector<FetchTopic> topics;
};

// What is to be read: what the request says, or what its session is about.
Begun begin_fetch(const Call& call, const wire::FetchRequest& request) {
  FetchSessions& sessions = call.service.fetch_sessions();
  Begun begun;
  begun.context.by_id = call.header.version >= ids_from_version;
  std::vector<FetchTopic> asked = topics_of(request, begun.context.by_id);
  std::int32_t epoch = request.session_epoch;
  if (epoch == session_epoch_first || epoch == session_epoch_none) {
    sessions.close(request.session_id);
    if (epoch == session_epoch_first) begun.context.kind = FetchContext::Kind::opening;
    begun.topics = std::move(asked);
    return begun;
  }
  FetchSessions::Changes changes{request.session_id, epoch, begun.context.by_id, std::move(asked),
                                 forgotten_of(request, begun.context.by_id)};
  FetchSessions::Step step =
      sessions.proceed(std::move(changes), call.service.broker().core().now());
  begun.error = step.error;
  begun.topics = std::move(step.topics);
  if (step.id != 0) {
    begun.context.kind = FetchContext::Kind::continuing;
    begun.context.session = step.id;
    begun.context.epoch = step.epoch;
  }
  return begun;
}

FetchTerms terms_of(const Call& call, const wire::FetchRequest& request) {
  FetchTerms terms;
  terms.bytes_min = static_cast<std::size_t>(std::max(request.min_bytes, 0));
  terms.bytes_max =
      std::min(static_cast<std::size_t>(std::max(request.max_bytes, 0)), fetch_size_max);
  // More at once would have to wait for ever.
  terms.quota = keep_to_quota(call, terms.bytes_max);
  // More than an answer may hold would never be there.
  terms.bytes_min = std::min(terms.bytes_min, terms.bytes_max);
  terms.isolation =
      request.isolation_level == 1 ? broker::Isolation::committed : broker::Isolation::uncommitted;
  terms.wait = std::clamp(std::chrono::milliseconds(request.max_wait_ms),
                          std::chrono::milliseconds(0), wait_max);
  if (terms.bytes_min == 0) terms.wait = std::chrono::milliseconds(0);
  return terms;
}

void start_run(const Reply& reply, const FetchTerms& terms, const FetchContext& context,
               std::vector<FetchTopic> topics) {
  Service& service = reply.service();
  // While ids were looked up, the connection may have ended.
  if (service.find(reply.connection()) == nullptr) return;
  FetchId id = service.next_fetch_id();
  auto run = std::make_unique<FetchRun>(reply, id, terms, context, std::move(topics));
  service.add_fetch(id, std::move(run)).start();
}

}  // namespace

void handle_fetch(const Call& call, const wire::FetchRequest& request) {
  Begun begun = begin_fetch(call, request);
  if (begun.error != ErrorCode::none) {
    wire::FetchResponse response;
    response.error_code = wire_code(begun.error);
    call.reply.send(response);
    return;
  }
  FetchTerms terms = terms_of(call, request);
  Service& service = call.service;
  std::vector<wire::Uuid> unknown = name_topics(service, begun.topics);
  if (unknown.empty()) {
    return start_run(call.reply, terms, begun.context, std::move(begun.topics));
  }
  resolve_topic_ids(service, std::move(unknown),
                    [&service, reply = call.reply, terms, context = begun.context,
                     topics = std::move(begun.topics)](TopicNames names) mutable {
                      note_topics(service, std::move(names));
                      name_topics(service, topics);
                      start_run(reply, terms, context, std::move(topics));
                    });
}

}  // namespace trv::kafka
