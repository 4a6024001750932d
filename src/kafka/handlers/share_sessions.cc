#include "kafka/handlers/share_sessions.h"

#include <algorithm>
#include <limits>

#include "base/mutant.h"

namespace trv::kafka {
namespace {

auto find_topic(ShareSessions::Topics& topics, const wire::Uuid& id) {
  return std::find_if(topics.begin(), topics.end(),
                      [&id](const ShareSessionTopic& topic) { return topic.id == id; });
}

}  // namespace

void ShareSessions::add(Session& session, const ShareSessionTopic& topic) {
  if (topic.partitions.empty()) return;
  auto place = find_topic(session.topics, topic.id);
  if (place == session.topics.end()) {
    place = session.topics.insert(place, ShareSessionTopic{topic.id, {}});
  }
  for (std::int32_t index : topic.partitions) {
    auto& known = place->partitions;
    if (std::find(known.begin(), known.end(), index) == known.end()) known.push_back(index);
  }
}

void ShareSessions::forget(Session& session, const ShareSessionTopic& topic) {
  auto place = find_topic(session.topics, topic.id);
  if (place == session.topics.end()) return;
  for (std::int32_t index : topic.partitions) std::erase(place->partitions, index);
  if (place->partitions.empty()) session.topics.erase(place);
}

ErrorCode ShareSessions::open(const Key& key, ConnectionId connection, const Topics& asked) {
  sessions_.erase(key);
  if (sessions_.size() >= count_max) return ErrorCode::share_session_limit_reached;
  Session& session = sessions_[key];
  session.connection = connection;
  for (const ShareSessionTopic& topic : asked) add(session, topic);
  return ErrorCode::none;
}

ErrorCode ShareSessions::proceed(const Key& key, std::int32_t epoch) {
  auto at = sessions_.find(key);
  if (at == sessions_.end()) return ErrorCode::share_session_not_found;
  if (epoch == epoch_last) return ErrorCode::none;
  std::int32_t& next = at->second.epoch;
  if (epoch != next && !TRV_MUTANT(share_session_epoch_not_checked)) {
    return ErrorCode::invalid_share_session_epoch;
  }
  next = next == std::numeric_limits<std::int32_t>::max() ? 1 : next + 1;
  return ErrorCode::none;
}

void ShareSessions::change(const Key& key, const Topics& asked, const Topics& forgotten) {
  Session& session = sessions_.at(key);
  for (const ShareSessionTopic& topic : asked) add(session, topic);
  for (const ShareSessionTopic& topic : forgotten) forget(session, topic);
}

ShareSessions::Topics ShareSessions::next_turn(const Key& key) {
  Topics& topics = sessions_.at(key).topics;
  if (topics.empty()) return topics;
  std::rotate(topics.begin(), topics.begin() + 1, topics.end());
  auto& partitions = topics.back().partitions;
  std::rotate(partitions.begin(), partitions.begin() + 1, partitions.end());
  return topics;
}

ShareSessions::Topics ShareSessions::close(const Key& key) {
  auto at = sessions_.find(key);
  if (at == sessions_.end()) return {};
  Topics topics = std::move(at->second.topics);
  sessions_.erase(at);
  return topics;
}

std::vector<std::pair<ShareSessions::Key, ShareSessions::Topics>> ShareSessions::close_all(
    ConnectionId connection) {
  std::vector<std::pair<Key, Topics>> closed;
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (at->second.connection == connection) {
      closed.emplace_back(at->first, std::move(at->second.topics));
      at = sessions_.erase(at);
    } else {
      ++at;
    }
  }
  return closed;
}

}  // namespace trv::kafka
