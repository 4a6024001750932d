// ShareFetch and ShareAcknowledge: which session and which partitions a request is about, and what
// it says of what was given out before; share_run.h does the rest.
#include <algorithm>
#include <limits>

#include "broker/groups.h"
#include "kafka/handlers/fetch_quota.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/share_run.h"
#include "kafka/handlers/share_sessions.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

constexpr std::chrono::milliseconds wait_max(60'000);

// What the number of records in a request means: whole batches may exceed it, or nothing may.
constexpr std::int8_t mode_batches = 0;
constexpr std::int8_t mode_records = 1;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  const char* message = nullptr;
};

// Of the request, whatever the session.
template <class Request>
Refusal check_names(const Request& request) {
  if (!request.group_id || request.group_id->empty()) {
    return {ErrorCode::invalid_request, "GroupId can't be empty."};
  }
  if (!request.member_id || request.member_id->empty()) {
    return {ErrorCode::invalid_request, "MemberId can't be empty."};
  }
  return {};
}

// The time that giving out takes would be lost to what is renewed, so nothing may be asked for.
Refusal check_renewal(const wire::ShareFetchRequest& request) {
  const bool asks = request.max_bytes != 0 || request.min_bytes != 0 || request.max_records != 0 ||
                    request.max_wait_ms != 0;
  if (!request.is_renew_ack || !asks) return {};
  return {ErrorCode::invalid_request,
          "maxBytes, minBytes, maxRecords and maxWaitMs must be set to 0, if isRenewAck is true."};
}

Refusal check_fetch(const wire::ShareFetchRequest& request) {
  Refusal refusal = check_names(request);
  if (refusal.code == ErrorCode::none) refusal = check_renewal(request);
  if (refusal.code != ErrorCode::none) return refusal;
  if (request.share_acquire_mode != mode_batches && request.share_acquire_mode != mode_records) {
    return {ErrorCode::invalid_request, "Unknown share acquire mode."};
  }
  return {};
}

template <class Request>
ShareSessions::Key key_of(const Request& request) {
  return {std::string(*request.group_id), std::string(*request.member_id)};
}

template <class Response>
void refuse(const Reply& reply, Refusal refusal) {
  Response response;
  response.error_code = wire_code(refusal.code);
  if (refusal.message != nullptr) response.error_message = refusal.message;
  reply.send(response);
}

bool has_acks(const wire::ShareFetchRequest& request) {
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      if (!partition.acknowledgement_batches.empty()) return true;
    }
  }
  return false;
}

ShareSessions::Topics topics_of(const wire::ShareFetchRequest& request) {
  ShareSessions::Topics topics;
  for (const auto& asked : request.topics) {
    ShareSessionTopic& topic = topics.emplace_back();
    topic.id = asked.topic_id;
    for (const auto& partition : asked.partitions) topic.partitions.push_back(partition.index);
  }
  return topics;
}

// The session as the request leaves it. What is read then is in next_turn().
Refusal step_session(const Call& call, const ShareSessions::Key& key,
                     const wire::ShareFetchRequest& request) {
  ShareSessions& sessions = call.service.share_sessions();
  if (request.share_session_epoch == ShareSessions::epoch_first) {
    if (has_acks(request)) {
      return {ErrorCode::invalid_request, "A share session can't be opened with acknowledgements."};
    }
    return {sessions.open(key, call.session.id(), topics_of(request)), nullptr};
  }
  ErrorCode code = sessions.proceed(key, request.share_session_epoch);
  if (code != ErrorCode::none) return {code, nullptr};
  ShareSessions::Topics forgotten;
  for (const auto& topic : request.forgotten_topics) {
    forgotten.push_back({topic.topic_id, topic.partitions});
  }
  sessions.change(key, topics_of(request), forgotten);
  return {};
}

// The place of a topic in the list; made when it is not there.
ShareTopic& topic_in(std::vector<ShareTopic>& topics, const wire::Uuid& id) {
  auto place = std::find_if(topics.begin(), topics.end(),
                            [&id](const ShareTopic& topic) { return *topic.id == id; });
  if (place != topics.end()) return *place;
  topics.push_back({id, {}, {}, {}, {}});
  return topics.back();
}

template <class Request>
void add_acks(const Request& request, std::vector<ShareTopic>& topics) {
  for (const auto& asked : request.topics) {
    for (const auto& partition : asked.partitions) {
      const bool silent = partition.acknowledgement_batches.empty();
      if (silent && std::is_same_v<Request, wire::ShareFetchRequest>) continue;
      topic_in(topics, asked.topic_id)
          .acks.push_back(
              share_acks(partition.index, partition.acknowledgement_batches, request.is_renew_ack));
    }
  }
}

// What the member has in the partitions of a session that ends comes back.
void add_released(const ShareSessions::Topics& closed, std::vector<ShareTopic>& topics) {
  for (const ShareSessionTopic& topic : closed) {
    topic_in(topics, topic.id).released = topic.partitions;
  }
}

// What is read now. A request that renews reads nothing.
ShareSessions::Topics turn_of(ShareSessions& sessions, const ShareSessions::Key& key,
                              const wire::ShareFetchRequest& request) {
  return request.is_renew_ack ? ShareSessions::Topics() : sessions.next_turn(key);
}

// All but the topics.
ShareRequest wish_of(const wire::ShareFetchRequest& request, const ShareSessions::Key& key) {
  constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
  ShareRequest run;
  run.group = key.first;
  run.member = key.second;
  run.records_max = static_cast<std::size_t>(std::max(request.max_records, 0));
  run.exact = request.share_acquire_mode == mode_records;
  run.bytes_max =
      std::min(static_cast<std::size_t>(std::max(request.max_bytes, 0)), fetch_size_max);
  // Who counts records wants them in one piece.
  const bool cut = request.batch_size > 0 && !run.exact;
  run.range_max = cut ? static_cast<std::size_t>(request.batch_size) : no_limit;
  run.wait = std::clamp(std::chrono::milliseconds(request.max_wait_ms),
                        std::chrono::milliseconds(0), wait_max);
  return run;
}

void start_run(const Reply& reply, ShareRequest request) {
  Service& service = reply.service();
  // While ids were looked up, the connection may have ended.
  if (service.find(reply.connection()) == nullptr) return;
  ShareRun::Id id = service.next_fetch_id();
  service.add_share_run(id, std::make_unique<ShareRun>(reply, id, std::move(request))).start();
}

void name_and_start(const Call& call, ShareRequest request) {
  Service& service = call.service;
  std::vector<wire::Uuid> unknown = name_topics(service, request.topics);
  if (unknown.empty()) return start_run(call.reply, std::move(request));
  resolve_topic_ids(
      service, std::move(unknown),
      [&service, reply = call.reply, request = std::move(request)](TopicNames names) mutable {
        note_topics(service, std::move(names));
        name_topics(service, request.topics);
        start_run(reply, std::move(request));
      });
}

}  // namespace

void handle_share_fetch(const Call& call, const wire::ShareFetchRequest& request) {
  Refusal refusal = check_fetch(request);
  if (refusal.code != ErrorCode::none) {
    return refuse<wire::ShareFetchResponse>(call.reply, refusal);
  }
  ShareSessions& sessions = call.service.share_sessions();
  const ShareSessions::Key key = key_of(request);
  refusal = step_session(call, key, request);
  if (refusal.code != ErrorCode::none) {
    return refuse<wire::ShareFetchResponse>(call.reply, refusal);
  }
  ShareRequest run = wish_of(request, key);
  // No answer is much more than what may pass at once, so that no pause outlasts the locks of what
  // it gave.
  run.quota = keep_to_quota(call, run.bytes_max);
  if (request.share_session_epoch == ShareSessions::epoch_last) {
    add_acks(request, run.topics);
    add_released(sessions.close(key), run.topics);
  } else {
    for (ShareSessionTopic& topic : turn_of(sessions, key, request)) {
      run.topics.push_back({topic.id, {}, {}, std::move(topic.partitions), {}});
    }
    add_acks(request, run.topics);
  }
  name_and_start(call, std::move(run));
}

void handle_share_acknowledge(const Call& call, const wire::ShareAcknowledgeRequest& request) {
  Refusal refusal = check_names(request);
  if (refusal.code != ErrorCode::none) {
    return refuse<wire::ShareAcknowledgeResponse>(call.reply, refusal);
  }
  ShareSessions& sessions = call.service.share_sessions();
  const ShareSessions::Key key = key_of(request);
  // Only a ShareFetch opens a session.
  ErrorCode code = request.share_session_epoch == ShareSessions::epoch_first
                       ? ErrorCode::invalid_share_session_epoch
                       : sessions.proceed(key, request.share_session_epoch);
  if (code != ErrorCode::none) {
    return refuse<wire::ShareAcknowledgeResponse>(call.reply, {code, nullptr});
  }
  ShareRequest run;
  run.gives = false;
  run.group = key.first;
  run.member = key.second;
  add_acks(request, run.topics);
  if (request.share_session_epoch == ShareSessions::epoch_last) {
    add_released(sessions.close(key), run.topics);
  }
  name_and_start(call, std::move(run));
}

void end_share_sessions(Service& service, ConnectionId connection) {
  for (auto& [key, topics] : service.share_sessions().close_all(connection)) {
    for (ShareSessionTopic& topic : topics) {
      // What was given out of it has had its name looked up.
      const std::string* name = service.find_topic_name(topic_id(topic.id));
      if (name == nullptr) continue;
      ShareVisit visit;
      visit.group = key.first;
      visit.member = key.second;
      visit.topic = {topic.id, *name, {}, {}, std::move(topic.partitions)};
      service.broker().at(*name, [visit = std::move(visit)](broker::Broker& owner) {
        static_cast<void>(visit_shared(owner, visit));
      });
    }
  }
}

}  // namespace trv::kafka
