// Service: what the Kafka handlers of one core share: the broker, the options, the open sessions.
//
// Owner: the core's Server; lives until the core has stopped. Used on that core's thread only; work
// for other cores carries a Service* as a name to come back to, and touches nothing in it there.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "broker/broker.h"
#include "broker/topics.h"
#include "runtime/answer_room.h"

namespace trv::kafka {

class FetchRun;
class FetchSessions;
class ShareRun;
class ShareSessions;
class Session;
class StateTopics;

struct Options {
  std::string bind = "127.0.0.1";
  std::uint16_t port = 9092;  // 0: any free one
  bool shared = false;        // several cores listen on the same port
  // What clients are told to connect to; empty: the address at which they came in. Port 0: ours.
  std::string advertised_host;
  std::uint16_t advertised_port = 0;
  std::int32_t node_id = 1;
  std::string data_dir;  // what is told of where the logs are
  bool auto_create_topics = true;
  bool login_required = false;
};

// Answers of one fetch, at most, whatever the client asks for (a first batch may exceed it).
inline constexpr std::size_t fetch_size_max = 8u << 20;
inline constexpr std::size_t topic_name_size_max = 249;
inline constexpr std::int32_t partition_count_max = 10'000;
// As Kafka's offset.metadata.max.bytes.
inline constexpr std::size_t offset_metadata_size_max = 4096;

// Beyond that all are forgotten.
inline constexpr std::size_t topic_names_max = 100'000;

class Service {
 public:
  Service(broker::Broker& broker, Options options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  broker::Broker& broker() { return broker_; }
  const Options& options() const { return options_; }
  CoreIndex home() const { return broker_.core().index(); }

  void add(ConnectionId id, Session& session) { sessions_.emplace(id, &session); }
  // Ends what the connection waits for.
  void remove(ConnectionId id);
  // Null when the connection has ended.
  Session* find(ConnectionId id) {
    auto it = sessions_.find(id);
    return it == sessions_.end() ? nullptr : it->second;
  }

  // Names of topics by their ids, as far as clients have asked for them: an id never names another
  // topic, but its topic may be gone by now. Null when not known. Valid until the next note.
  const std::string* find_topic_name(TopicId id) const {
    auto it = topic_names_.find(id);
    return it == topic_names_.end() ? nullptr : &it->second;
  }
  void note_topic_name(TopicId id, std::string name);

  // Fetches that are under way on this core.
  std::uint64_t next_fetch_id() { return ++last_fetch_id_; }
  FetchRun& add_fetch(std::uint64_t id, std::unique_ptr<FetchRun> run);
  // Null when it has ended.
  FetchRun* find_fetch(std::uint64_t id);
  void forget_fetch(std::uint64_t id);
  runtime::AnswerRoom& answer_room() { return answer_room_; }
  // The same of share groups; their ids are of the same numbers.
  ShareRun& add_share_run(std::uint64_t id, std::unique_ptr<ShareRun> run);
  ShareRun* find_share_run(std::uint64_t id);
  void forget_share_run(std::uint64_t id);
  ShareSessions& share_sessions() { return *share_sessions_; }
  // Those that outlive their requests.
  FetchSessions& fetch_sessions() { return *fetch_sessions_; }
  StateTopics& state_topics() { return *state_topics_; }

 private:
  broker::Broker& broker_;
  Options options_;
  std::unordered_map<ConnectionId, Session*> sessions_;
  runtime::AnswerRoom answer_room_;
  std::unordered_map<std::uint64_t, std::unique_ptr<FetchRun>> fetches_;  // in the room
  std::uint64_t last_fetch_id_ = 0;
  std::unique_ptr<FetchSessions> fetch_sessions_;
  std::unordered_map<std::uint64_t, std::unique_ptr<ShareRun>> share_runs_;
  std::unique_ptr<ShareSessions> share_sessions_;
  std::unordered_map<TopicId, std::string> topic_names_;
  std::unique_ptr<StateTopics> state_topics_;
};

// What members of share groups hold by the connection comes back (handlers/share_fetch.cc).
void end_share_sessions(Service& service, ConnectionId connection);

// Takes back a watch of the topic, wherever it is.
inline void unwatch(broker::Broker& here, const std::string& topic, broker::WatchId watch) {
  here.at(topic, [topic, watch](broker::Broker& owner) { owner.topics().unwatch(topic, watch); });
}

// Runs `work` on the core `home`: at once when that is `here`'s.
template <class F>
void back_home(broker::Broker& here, CoreIndex home, F&& work) {
  if (here.core().index() == home) {
    work();
  } else {
    here.post(home, std::forward<F>(work));
  }
}

}  // namespace trv::kafka
