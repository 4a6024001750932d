#include "kafka/service.h"

#include <random>

#include "kafka/handlers/fetch_run.h"
#include "kafka/handlers/fetch_sessions.h"
#include "kafka/handlers/share_run.h"
#include "kafka/handlers/share_sessions.h"
#include "kafka/state_topics.h"

namespace trv::kafka {

Service::Service(broker::Broker& broker, Options options)
    : broker_(broker),
      options_(std::move(options)),
      answer_room_(broker.core()),
      fetch_sessions_(
          std::make_unique<FetchSessions>(std::random_device{}(), FetchSessions::Limits{})),
      share_sessions_(std::make_unique<ShareSessions>()),
      state_topics_(std::make_unique<StateTopics>(broker)) {}

Service::~Service() = default;

void Service::remove(ConnectionId id) {
  sessions_.erase(id);
  std::erase_if(fetches_, [id](const auto& entry) { return entry.second->connection() == id; });
  std::erase_if(share_runs_, [id](const auto& entry) { return entry.second->connection() == id; });
  end_share_sessions(*this, id);
}

FetchRun& Service::add_fetch(std::uint64_t id, std::unique_ptr<FetchRun> run) {
  return *(fetches_[id] = std::move(run));
}

FetchRun* Service::find_fetch(std::uint64_t id) {
  auto it = fetches_.find(id);
  return it == fetches_.end() ? nullptr : it->second.get();
}

ShareRun& Service::add_share_run(std::uint64_t id, std::unique_ptr<ShareRun> run) {
  return *(share_runs_[id] = std::move(run));
}

ShareRun* Service::find_share_run(std::uint64_t id) {
  auto it = share_runs_.find(id);
  return it == share_runs_.end() ? nullptr : it->second.get();
}

void Service::forget_share_run(std::uint64_t id) { share_runs_.erase(id); }

void Service::note_topic_name(TopicId id, std::string name) {
  if (topic_names_.size() >= topic_names_max) topic_names_.clear();
  topic_names_.insert_or_assign(id, std::move(name));
}

void Service::forget_fetch(std::uint64_t id) { fetches_.erase(id); }

}  // namespace trv::kafka
