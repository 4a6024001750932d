#include "broker/share_groups.h"

#include <algorithm>

#include "base/mutant.h"
#include "broker/entry.h"
#include "broker/groups.h"
#include "broker/shard_state.h"
#include "broker/share_cursors.h"
#include "broker/topics.h"

namespace trv::broker {
namespace {

using model::GroupError;
using model::Moment;
using model::ShareGroup;
using model::ShareGroupRecords;
using model::ShareHeartbeat;

using Names = std::set<std::string, std::less<>>;

model::KnownTopics look_up(Broker& here, const Names& names, ConsumerGroups::Shown shown) {
  model::KnownTopics found;
  for (const std::string& name : names) {
    Topic* topic = shown(name) ? here.topics().find(name) : nullptr;
    if (topic == nullptr) continue;
    found[name] = {here.topics().state(*topic).id(), Topics::settings(*topic).partition_count};
  }
  return found;
}

ShareGroups::Answer refuse(GroupError error, std::string message) {
  ShareGroups::Answer answer;
  answer.answer.error = error;
  answer.message = std::move(message);
  return answer;
}

}  // namespace

struct ShareGroups::State {
  struct Live {
    ShareGroup group;
    std::map<std::string, Moment, std::less<>> sessions;
    runtime::Timer timer;
    std::optional<Moment> timer_due;
  };

  explicit State(Broker& b) : broker(b) {}

  ShareGroupRecords& records(std::string_view group) { return broker.shard(group).share_groups; }
  Live* find(std::string_view name) {
    auto it = live.find(name);
    return it == live.end() ? nullptr : &it->second;
  }
  Result<Commit> keep(const std::string& name, const std::string& command);
  Answer decide(const std::string& name, const ShareHeartbeat& request,
                std::chrono::milliseconds session_timeout, const model::FoundTopics& found);
  void arm(const std::string& name, Live& entry, Moment deadline);
  void on_timer(const std::string& name);

  Broker& broker;
  NameMap<Live> live;
  Commit last_change;
};

ShareGroups::ShareGroups(Broker& broker) : state_(std::make_unique<State>(broker)) {}
ShareGroups::~ShareGroups() = default;

void ShareGroups::stop() { state_->live.clear(); }

// Journals and applies.
Result<Commit> ShareGroups::State::keep(const std::string& name, const std::string& command) {
  auto kept = broker.journal(Space::less, entry::share_group, broker.shard_of(name), command);
  if (!kept) return kept.error();
  Status applied = records(name).apply(command);
  TRV_ASSERT(applied);
  last_change = broker.tail();
  return last_change;
}

// --- members -------------------------------------------------------------------------------------

// A later deadline needs no new timer: one that comes too early arms itself again.
void ShareGroups::State::arm(const std::string& name, Live& entry, Moment deadline) {
  if (entry.timer_due && *entry.timer_due <= deadline) return;
  entry.timer_due = deadline;
  runtime::Duration delay =
      std::max<runtime::Duration>(deadline - broker.core().now(), std::chrono::milliseconds(1));
  entry.timer = broker.core().schedule(delay, [this, name] {
    std::string held = name;  // the timer's own copy may end with the group
    on_timer(held);
  });
}

// Removes whose time is up.
void ShareGroups::State::on_timer(const std::string& name) {
  Live* entry = find(name);
  if (entry == nullptr) return;
  entry->timer_due.reset();
  std::vector<std::string> late;
  Moment next = Moment::max();
  for (const auto& [id, deadline] : entry->sessions) {
    if (deadline <= broker.core().now() && !TRV_MUTANT(silent_share_member_stays)) {
      late.push_back(id);
    } else {
      next = std::min(next, deadline);
    }
  }
  for (const std::string& id : late) entry->sessions.erase(id);
  entry->group.remove(late);
  if (next != Moment::max()) arm(name, *entry, next);
}

ShareGroups::Answer ShareGroups::State::decide(const std::string& name,
                                               const ShareHeartbeat& request,
                                               std::chrono::milliseconds session_timeout,
                                               const model::FoundTopics& found) {
  const bool joins = request.epoch == ShareHeartbeat::join;
  if (broker.groups().is_of_other_kind(name)) {
    return refuse(GroupError::other_protocol, "Group " + name + " is not a share group.");
  }
  if (!records(name).exists(name)) {
    if (!joins) return refuse(GroupError::other_protocol, "Group " + name + " not found.");
    if (!keep(name, ShareGroupRecords::encode_create(name))) {
      return refuse(GroupError::unavailable, "");
    }
  }
  Live& entry = live[name];
  Answer answer;
  answer.answer = entry.group.heartbeat(request, found);
  answer.message = answer.answer.message;
  if (answer.answer.error != GroupError::none) return answer;
  answer.shown = last_change;
  if (request.epoch == ShareHeartbeat::leave) {
    entry.sessions.erase(request.member_id);
    return answer;
  }
  Moment deadline = broker.core().now() + session_timeout;
  entry.sessions.insert_or_assign(request.member_id, deadline);
  arm(name, entry, deadline);
  return answer;
}

void ShareGroups::heartbeat(const std::string& name, ShareHeartbeat request,
                            std::chrono::milliseconds session_timeout, ConsumerGroups::Shown shown,
                            OnAnswered done) {
  model::ShareAnswer wrong = model::check_share_heartbeat(request);
  if (wrong.error != GroupError::none) return done(refuse(wrong.error, wrong.message));
  Names names = group_of(name).subscribed_names();
  if (request.topics) names.insert(request.topics->begin(), request.topics->end());
  state_->broker.gather([names, shown](Broker& here) { return look_up(here, names, shown); },
                        [this, name, names, request = std::move(request), session_timeout,
                         done = std::move(done)](std::vector<model::KnownTopics> by_core) mutable {
                          model::FoundTopics found;
                          found.asked = std::move(names);
                          for (model::KnownTopics& topics : by_core) found.topics.merge(topics);
                          done(state_->decide(name, request, session_timeout, found));
                        });
}

// --- looking and setting -------------------------------------------------------------------------

Result<Commit> ShareGroups::create(const std::string& name) {
  if (exists(name)) return Error{Errc::already_exists, "the group exists"};
  if (state_->broker.groups().is_of_other_kind(name)) {
    return Error{Errc::wrong_type, "Group " + name + " is not a share group."};
  }
  return state_->keep(name, ShareGroupRecords::encode_create(name));
}

bool ShareGroups::exists(std::string_view name) const { return state_->records(name).exists(name); }

const ShareGroup& ShareGroups::group_of(std::string_view name) const {
  static const ShareGroup nobody;
  State::Live* entry = state_->find(name);
  return entry == nullptr ? nobody : entry->group;
}

std::vector<std::string> ShareGroups::names() const {
  std::vector<std::string> names;
  state_->broker.each_shard([&](ShardState& shard) {
    for (std::string& name : shard.share_groups.names()) names.push_back(std::move(name));
  });
  return names;
}

std::vector<std::string> ShareGroups::names_with_settings() const {
  std::vector<std::string> names;
  state_->broker.each_shard([&](ShardState& shard) {
    for (std::string& name : shard.share_groups.names_with_settings()) {
      names.push_back(std::move(name));
    }
  });
  return names;
}

Commit ShareGroups::last_change() const { return state_->last_change; }

const ShareGroupRecords::Settings& ShareGroups::settings(std::string_view name) const {
  return state_->records(name).settings(name);
}

Result<Commit> ShareGroups::set_settings(const std::string& name,
                                         const ShareGroupRecords::Settings& settings) {
  return state_->keep(name, ShareGroupRecords::encode_settings(name, settings));
}

void ShareGroups::remove(const std::string& name, UniqueFunction<void(Status)> done) {
  if (!exists(name)) return done(Error{Errc::not_found, "no such group"});
  if (has_members(name)) return done(Error{Errc::in_use, "the group has members"});
  // First what it has read, on whatever cores that is: while some of it is there, so is the group.
  struct Progress {
    int missing;
    Status status;
    UniqueFunction<void(Status)> done;
  };
  Broker& broker = state_->broker;
  // Shared by the replies of all cores; only this core touches it.
  auto progress = std::make_shared<Progress>(Progress{broker.core_count(), {}, std::move(done)});
  auto finish = [this, name, progress](Status status) {
    if (!status) progress->status = std::move(status);
    if (--progress->missing > 0) return;
    if (!progress->status) return progress->done(std::move(progress->status));
    if (has_members(name)) return progress->done(Error{Errc::in_use, "the group has members"});
    Result<Commit> forgotten = state_->keep(name, ShareGroupRecords::encode_forget(name));
    if (!forgotten) return progress->done(forgotten.error());
    state_->live.erase(name);
    state_->broker.when_durable(*forgotten, [progress](Result<Durable> result) {
      progress->done(result ? Status() : Status(result.error()));
    });
  };
  const CoreIndex home = broker.core().index();
  for (int core = 0; core < broker.core_count(); ++core) {
    broker.at_core(CoreIndex(static_cast<std::uint16_t>(core)), [home, name, finish](Broker& here) {
      auto tell = [&here, home, finish](Status status) {
        here.post(home,
                  [finish, status = std::move(status)]() mutable { finish(std::move(status)); });
      };
      Result<Commit> forgotten = here.groups().share_cursors().forget_everywhere(name);
      if (!forgotten) return tell(forgotten.error());
      here.when_durable(*forgotten, [tell](Result<Durable> result) {
        tell(result ? Status() : Status(result.error()));
      });
    });
  }
}

}  // namespace trv::broker
