#include "kafka/handlers/fetch_sessions.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace trv::kafka {
namespace {

// About what the containers take.
constexpr std::size_t session_cost = 256;
constexpr std::size_t topic_cost = 320;
constexpr std::size_t partition_cost = 160;

std::size_t cost_of(const FetchTopic& topic) {
  return topic_cost + 2 * topic.name.size() + partition_cost * topic.partitions.size();
}

std::size_t cost_of(const std::vector<FetchTopic>& topics) {
  std::size_t cost = session_cost;
  for (const FetchTopic& topic : topics) cost += cost_of(topic);
  return cost;
}

std::size_t count_partitions(const std::vector<FetchTopic>& topics) {
  std::size_t count = 0;
  for (const FetchTopic& topic : topics) count += topic.partitions.size();
  return count;
}

std::int32_t next_epoch(std::int32_t epoch) {
  return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

}  // namespace

std::string FetchSessions::key_of(bool by_id, const std::string& name, const wire::Uuid& id) {
  if (!by_id) return name;
  std::string key;
  ByteWriter writer(key);
  writer.u64(id.high);
  writer.u64(id.low);
  return key;
}

std::string FetchSessions::key_of(const Session& session, const FetchTopic& topic) {
  return key_of(session.by_id, topic.name, topic.id.value_or(wire::Uuid()));
}

FetchSessions::Partition* FetchSessions::find(Session& session, const std::string& key,
                                              std::int32_t index) {
  auto topic = session.by_key.find(key);
  if (topic == session.by_key.end()) return nullptr;
  auto partition = topic->second->by_index.find(index);
  return partition == topic->second->by_index.end() ? nullptr : &*partition->second;
}

void FetchSessions::account(Session& session, std::ptrdiff_t bytes) {
  session.bytes += static_cast<std::size_t>(bytes);
  bytes_ += static_cast<std::size_t>(bytes);
}

void FetchSessions::erase(Sessions::iterator it) {
  TRV_ASSERT(bytes_ >= it->second.bytes);
  bytes_ -= it->second.bytes;
  sessions_.erase(it);
}

void FetchSessions::close(std::int32_t id) {
  if (auto it = sessions_.find(id); it != sessions_.end()) erase(it);
}

bool FetchSessions::evict_for(std::size_t partition_count, runtime::SteadyTime now) {
  auto oldest = sessions_.end();
  auto least = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    const Session& session = it->second;
    if (oldest == sessions_.end() || session.used < oldest->second.used) oldest = it;
    if (session.used - session.opened <= limits_.kept) continue;
    if (least == sessions_.end() || session.partition_count < least->second.partition_count) {
      least = it;
    }
  }
  if (oldest != sessions_.end() && now - oldest->second.used > limits_.kept) {
    erase(oldest);
    return true;
  }
  if (least == sessions_.end() || least->second.partition_count >= partition_count) return false;
  erase(least);
  return true;
}

bool FetchSessions::make_room(std::size_t partition_count, std::size_t bytes,
                              runtime::SteadyTime now) {
  if (bytes > limits_.bytes_max) return false;
  while (sessions_.size() >= limits_.count_max || bytes_ + bytes > limits_.bytes_max) {
    if (!evict_for(partition_count, now)) return false;
  }
  return true;
}

void FetchSessions::add(Session& session, const FetchTopic& asked) {
  std::string key = key_of(session, asked);
  auto place = session.by_key.find(key);
  if (place == session.by_key.end()) {
    session.topics.push_back({asked.name, asked.id, {}, {}});
    place = session.by_key.emplace(std::move(key), std::prev(session.topics.end())).first;
    account(session, static_cast<std::ptrdiff_t>(topic_cost + 2 * asked.name.size()));
  }
  Topic& topic = *place->second;
  for (const FetchPartition& partition : asked.partitions) {
    auto known = topic.by_index.find(partition.index);
    if (known != topic.by_index.end()) {
      known->second->asked = partition;
      continue;
    }
    topic.partitions.push_back({partition});
    topic.by_index.emplace(partition.index, std::prev(topic.partitions.end()));
    ++session.partition_count;
    account(session, partition_cost);
  }
}

void FetchSessions::forget(Session& session, const FetchTopic& forgotten) {
  auto place = session.by_key.find(key_of(session, forgotten));
  if (place == session.by_key.end()) return;
  Topic& topic = *place->second;
  for (const FetchPartition& partition : forgotten.partitions) {
    auto known = topic.by_index.find(partition.index);
    if (known == topic.by_index.end()) continue;
    topic.partitions.erase(known->second);
    topic.by_index.erase(known);
    --session.partition_count;
    account(session, -static_cast<std::ptrdiff_t>(partition_cost));
  }
  if (!topic.partitions.empty()) return;
  account(session, -static_cast<std::ptrdiff_t>(topic_cost + 2 * topic.name.size()));
  session.topics.erase(place->second);
  session.by_key.erase(place);
}

std::int32_t FetchSessions::open(const std::vector<FetchTopic>& asked, bool by_id,
                                 const wire::FetchResponse& answer, runtime::SteadyTime now) {
  if (!make_room(count_partitions(asked), cost_of(asked), now)) return 0;
  std::uniform_int_distribution<std::int32_t> ids(1, std::numeric_limits<std::int32_t>::max());
  std::int32_t id = ids(random_);
  while (sessions_.contains(id)) id = ids(random_);
  Session& session = sessions_[id];
  session.by_id = by_id;
  session.opened = session.used = now;
  account(session, session_cost);
  for (const FetchTopic& topic : asked) {
    if (!topic.partitions.empty()) add(session, topic);
  }
  for (const auto& topic : answer.topics) {
    std::string key = key_of(by_id, topic.name, topic.topic_id);
    for (const auto& told : topic.partitions) {
      if (Partition* known = find(session, key, told.index)) is_news(*known, told);
    }
  }
  return id;
}

FetchSessions::Step FetchSessions::proceed(Changes changes, runtime::SteadyTime now) {
  Step step;
  auto it = sessions_.find(changes.id);
  if (it == sessions_.end()) {
    step.error = ErrorCode::fetch_session_id_not_found;
    return step;
  }
  Session& session = it->second;
  if (session.epoch != changes.epoch) {
    step.error = ErrorCode::invalid_fetch_session_epoch;
    return step;
  }
  if (session.by_id != changes.by_id) {
    step.error = ErrorCode::fetch_session_topic_id_error;
    return step;
  }
  if (bytes_ + cost_of(changes.asked) > limits_.bytes_max) {
    // It has outgrown its place: the client goes on with a full request.
    erase(it);
    step.error = ErrorCode::fetch_session_id_not_found;
    return step;
  }
  for (const FetchTopic& topic : changes.asked) {
    if (!topic.partitions.empty()) add(session, topic);
  }
  for (const FetchTopic& topic : changes.forgotten) forget(session, topic);
  if (session.partition_count == 0) {
    erase(it);
    step.topics = std::move(changes.asked);
    return step;
  }
  session.used = now;
  session.epoch = next_epoch(session.epoch);
  step.id = changes.id;
  step.epoch = session.epoch;
  step.topics.reserve(session.topics.size());
  for (const Topic& topic : session.topics) {
    FetchTopic& wanted = step.topics.emplace_back();
    wanted.name = topic.name;
    wanted.id = topic.id;
    wanted.partitions.reserve(topic.partitions.size());
    for (const Partition& partition : topic.partitions)
      wanted.partitions.push_back(partition.asked);
  }
  return step;
}

// Also notes what the client is told.
bool FetchSessions::is_news(Partition& known, const wire::FetchResponse::Topic::Partition& told) {
  bool news = told.records.size > 0 || known.high_watermark != told.high_watermark ||
              known.log_start != told.log_start_offset || told.error_code != 0;
  // When an error ends, that is news.
  known.high_watermark = told.error_code != 0 ? -1 : told.high_watermark;
  known.log_start = told.log_start_offset;
  return news;
}

ErrorCode FetchSessions::settle(std::int32_t id, std::int32_t epoch, wire::FetchResponse& answer) {
  auto it = sessions_.find(id);
  if (it == sessions_.end()) return ErrorCode::fetch_session_id_not_found;
  Session& session = it->second;
  // The client did not wait for this answer.
  if (session.epoch != epoch) return ErrorCode::invalid_fetch_session_epoch;
  for (auto& told : answer.topics) {
    auto place = session.by_key.find(key_of(session.by_id, told.name, told.topic_id));
    TRV_ASSERT(place != session.by_key.end());
    Topic& topic = *place->second;
    bool read = false;
    std::erase_if(told.partitions, [&](const auto& partition) {
      auto known = topic.by_index.at(partition.index);
      if (!is_news(*known, partition)) return true;
      if (partition.records.size > 0) {
        topic.partitions.splice(topic.partitions.end(), topic.partitions, known);
        read = true;
      }
      return false;
    });
    if (read) session.topics.splice(session.topics.end(), session.topics, place->second);
  }
  std::erase_if(answer.topics, [](const auto& topic) { return topic.partitions.empty(); });
  return ErrorCode::none;
}

}  // namespace trv::kafka
