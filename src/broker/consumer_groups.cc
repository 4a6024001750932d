#include "broker/consumer_groups.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/mutant.h"
#include "broker/entry.h"
#include "broker/groups.h"
#include "broker/shard_state.h"
#include "broker/topics.h"

namespace trv::broker {
namespace {

using model::ConsumerGroup;
using model::ConsumerHeartbeat;
using model::GroupError;
using model::Moment;

// Patterns that have been looked up are not looked up again before: a member asks every few
// seconds, and each time all topics would be compared.
constexpr std::chrono::milliseconds pattern_interval(1'000);

struct Question {
  std::set<std::string, std::less<>> names;
  std::set<std::string, std::less<>> patterns;
  ConsumerGroups::Shown shown = nullptr;
};

RE2::Options quiet() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

// What this core knows of it.
model::FoundTopics look_up(Broker& here, const Question& question) {
  model::FoundTopics found;
  for (const std::string& name : question.names) {
    if (!question.shown(name)) continue;
    Topic* topic = here.topics().find(name);
    if (topic == nullptr) continue;
    found.topics[name] = {here.topics().state(*topic).id(),
                          Topics::settings(*topic).partition_count};
  }
  if (question.patterns.empty()) return found;
  std::vector<TopicFacts> all = here.topics().list();
  for (const std::string& text : question.patterns) {
    RE2 pattern(text, quiet());
    std::vector<std::string>& matches = found.patterns[text];
    for (const TopicFacts& topic : all) {
      if (!question.shown(topic.name) || !RE2::FullMatch(topic.name, pattern)) continue;
      matches.push_back(topic.name);
      found.topics[topic.name] = {topic.id, topic.settings.partition_count};
    }
  }
  return found;
}

model::FoundTopics combine(Question question, std::vector<model::FoundTopics> by_core) {
  model::FoundTopics all;
  all.asked = std::move(question.names);
  for (model::FoundTopics& found : by_core) {
    all.topics.merge(found.topics);
    for (auto& [pattern, names] : found.patterns) {
      std::vector<std::string>& matches = all.patterns[pattern];
      matches.insert(matches.end(), names.begin(), names.end());
    }
  }
  for (auto& [pattern, names] : all.patterns) std::sort(names.begin(), names.end());
  return all;
}

}  // namespace

struct ConsumerGroups::State {
  // When to stop waiting for whom.
  struct Live {
    std::map<std::string, Moment, std::less<>> sessions;
    std::map<std::string, Moment, std::less<>> revocations;
    std::optional<Moment> patterns_asked;
    runtime::Timer timer;
    std::optional<Moment> timer_due;
  };

  explicit State(Broker& b) : broker(b) {}

  const ConsumerGroup* find(std::string_view name) const {
    return broker.shard(name).consumer_groups.find(name);
  }
  Moment now() const { return broker.core().now(); }

  Question question_for(const std::string& name, const ConsumerHeartbeat& request, Shown shown);
  Answer decide(const std::string& name, const ConsumerHeartbeat& request,
                const model::FoundTopics& found);
  Status keep(const std::string& name, const model::ConsumerGroupChange& change);
  void note_member(const std::string& name, const std::string& member_id,
                   const model::ConsumerMember& member);
  void note_change(const std::string& name, const model::ConsumerGroupChange& change);
  void arm(const std::string& name, Live& entry, Moment deadline);
  void on_timer(const std::string& name);

  Broker& broker;
  std::chrono::milliseconds session_timeout = model::consumer_session_timeout;
  NameMap<Live> live;
  Commit last_change;
};

ConsumerGroups::ConsumerGroups(Broker& broker) : state_(std::make_unique<State>(broker)) {}
ConsumerGroups::~ConsumerGroups() = default;

void ConsumerGroups::start() {
  state_->broker.each_shard([&](ShardState& shard) {
    for (const auto& [name, group] : shard.consumer_groups.all()) {
      for (const auto& [id, member] : group.members()) state_->note_member(name, id, member);
    }
  });
}

void ConsumerGroups::stop() { state_->live.clear(); }

// --- time ----------------------------------------------------------------------------------------

void ConsumerGroups::State::note_member(const std::string& name, const std::string& member_id,
                                        const model::ConsumerMember& member) {
  Live& entry = live[name];
  Moment deadline = now() + session_timeout;
  entry.sessions.insert_or_assign(member_id, deadline);
  if (member.state == model::ConsumerMember::State::revoking &&
      !TRV_MUTANT(slow_consumer_keeps_its_partitions)) {
    auto [it, added] = entry.revocations.try_emplace(member_id, now() + member.rebalance_timeout);
    deadline = std::min(deadline, it->second);
  } else {
    entry.revocations.erase(member_id);
  }
  arm(name, entry, deadline);
}

void ConsumerGroups::State::note_change(const std::string& name,
                                        const model::ConsumerGroupChange& change) {
  auto it = live.find(name);
  if (it == live.end()) return;
  for (const std::string& id : change.removed) {
    it->second.sessions.erase(id);
    it->second.revocations.erase(id);
  }
  if (it->second.sessions.empty()) live.erase(it);
}

// A later deadline needs no new timer: one that comes too early arms itself again.
void ConsumerGroups::State::arm(const std::string& name, Live& entry, Moment deadline) {
  if (entry.timer_due && *entry.timer_due <= deadline) return;
  entry.timer_due = deadline;
  runtime::Duration delay =
      std::max<runtime::Duration>(deadline - now(), std::chrono::milliseconds(1));
  entry.timer = broker.core().schedule(delay, [this, name] {
    std::string held = name;  // the timer's own copy may end with the group
    on_timer(held);
  });
}

// Removes whose time is up.
void ConsumerGroups::State::on_timer(const std::string& name) {
  auto it = live.find(name);
  if (it == live.end()) return;
  it->second.timer_due.reset();
  std::set<std::string> late;
  Moment next = Moment::max();
  for (const auto* deadlines : {&it->second.sessions, &it->second.revocations}) {
    for (const auto& [id, deadline] : *deadlines) {
      if (deadline <= now() && !TRV_MUTANT(silent_consumer_stays)) {
        late.insert(id);
      } else {
        next = std::min(next, deadline);
      }
    }
  }
  const ConsumerGroup* group = find(name);
  if (group != nullptr && !late.empty()) {
    auto change = model::decide_removal(*group, std::vector(late.begin(), late.end()));
    if (keep(name, change)) {
      note_change(name, change);
    } else {
      next = now() + std::chrono::seconds(1);  // no room for it yet
    }
  }
  it = live.find(name);
  if (it != live.end() && next != Moment::max()) arm(name, it->second, next);
}

// --- heartbeats ----------------------------------------------------------------------------------

// Journals and applies.
Status ConsumerGroups::State::keep(const std::string& name,
                                   const model::ConsumerGroupChange& change) {
  if (change.empty()) return {};
  model::ConsumerGroups& groups = broker.shard(name).consumer_groups;
  const ConsumerGroup* before = groups.find(name);
  bool had_members = before != nullptr && !before->members().empty();
  std::string command = model::ConsumerGroups::encode_change(name, change);
  // Consumers go on when the disk is full.
  auto kept = broker.journal(Space::less, entry::consumer_group, broker.shard_of(name), command);
  if (!kept) return kept.error();
  Status applied = groups.apply(command);
  TRV_ASSERT(applied);
  last_change = broker.tail();
  bool has_members = !groups.find(name)->members().empty();
  if (has_members != had_members) broker.groups().set_occupancy(name, has_members);
  return {};
}

Question ConsumerGroups::State::question_for(const std::string& name,
                                             const ConsumerHeartbeat& request, Shown shown) {
  Question question;
  question.shown = shown;
  const ConsumerGroup* group = find(name);
  if (group != nullptr) question.names = model::subscribed_names(*group);
  if (request.topics) question.names.insert(request.topics->begin(), request.topics->end());
  bool known = true;
  if (request.pattern && !request.pattern->empty()) {
    question.patterns.insert(*request.pattern);
    known = group != nullptr && group->patterns().contains(*request.pattern);
  }
  if (group != nullptr) question.patterns.merge(model::subscribed_patterns(*group));
  auto it = live.find(name);
  bool recent = it != live.end() && it->second.patterns_asked &&
                now() < *it->second.patterns_asked + pattern_interval;
  if (question.patterns.empty()) return question;
  if (known && recent) {
    question.patterns.clear();
  } else if (it != live.end()) {
    it->second.patterns_asked = now();
  }
  return question;
}

ConsumerGroups::Answer ConsumerGroups::State::decide(const std::string& name,
                                                     const ConsumerHeartbeat& request,
                                                     const model::FoundTopics& found) {
  static const ConsumerGroup nobody;
  const ConsumerGroup* group = find(name);
  Answer answer;
  const bool other = broker.groups().is_classic(name) || broker.groups().shares().exists(name);
  if (other && !TRV_MUTANT(group_of_two_kinds)) {
    answer.error = GroupError::other_protocol;
    answer.message = "Group " + name + " is not a consumer group.";
    return answer;
  }
  if (group == nullptr && request.epoch != ConsumerHeartbeat::join) {
    answer.error = GroupError::other_protocol;
    answer.message = "Group " + name + " not found.";
    return answer;
  }
  model::ConsumerOutcome outcome =
      model::decide_heartbeat(group == nullptr ? nobody : *group, request, found);
  answer.error = outcome.error;
  answer.message = outcome.message;
  answer.epoch = outcome.epoch;
  answer.assignment = std::move(outcome.assignment);
  if (answer.error == GroupError::none && !keep(name, outcome.change)) {
    answer = Answer();
    answer.error = GroupError::unavailable;
  }
  if (answer.error != GroupError::none) return answer;
  note_change(name, outcome.change);
  const model::ConsumerMember* member = find(name)->find(request.member_id);
  if (request.epoch >= 0) note_member(name, request.member_id, *member);
  if (!TRV_MUTANT(consumer_heartbeat_answered_early)) answer.shown = last_change;
  return answer;
}

void ConsumerGroups::heartbeat(const std::string& name, ConsumerHeartbeat request, Shown shown,
                               OnAnswered done) {
  Answer answer;
  model::ConsumerOutcome wrong = model::check_heartbeat(request);
  answer.error = wrong.error;
  answer.message = wrong.message;
  if (answer.error == GroupError::none && request.pattern && !request.pattern->empty()) {
    RE2 pattern(*request.pattern, quiet());
    if (!pattern.ok()) {
      answer.error = GroupError::invalid_pattern;
      answer.message = "not a valid regular expression: " + pattern.error();
    }
  }
  if (answer.error != GroupError::none) return done(std::move(answer));
  Question question = state_->question_for(name, request, shown);
  state_->broker.gather(
      [question](Broker& here) { return look_up(here, question); },
      [this, name, question, request = std::move(request),
       done = std::move(done)](std::vector<model::FoundTopics> by_core) mutable {
        done(state_->decide(name, request, combine(std::move(question), std::move(by_core))));
      });
}

void ConsumerGroups::test_set_session_timeout(std::chrono::milliseconds timeout) {
  state_->session_timeout = timeout;
}

// --- looking -------------------------------------------------------------------------------------

const ConsumerGroup* ConsumerGroups::find(std::string_view name) const {
  return state_->find(name);
}

bool ConsumerGroups::has_members(std::string_view name) const {
  const ConsumerGroup* group = find(name);
  return group != nullptr && !group->members().empty();
}

std::vector<std::string> ConsumerGroups::names() const {
  std::vector<std::string> names;
  state_->broker.each_shard([&](ShardState& shard) {
    for (const auto& [name, group] : shard.consumer_groups.all()) names.push_back(name);
  });
  return names;
}

Commit ConsumerGroups::last_change() const { return state_->last_change; }

std::optional<GroupError> ConsumerGroups::check_member(std::string_view name,
                                                       std::string_view member_id,
                                                       std::int32_t epoch) const {
  const ConsumerGroup* group = find(name);
  if (group == nullptr) return std::nullopt;
  return model::check_member_epoch(*group, member_id, epoch);
}

Result<Commit> ConsumerGroups::forget(const std::string& name) {
  TRV_ASSERT(!has_members(name));
  std::string command = model::ConsumerGroups::encode_forget(name);
  auto kept = state_->broker.journal(Space::less, entry::consumer_group,
                                     state_->broker.shard_of(name), command);
  if (!kept) return kept.error();
  Status applied = state_->broker.shard(name).consumer_groups.apply(command);
  TRV_ASSERT(applied);
  state_->live.erase(name);
  state_->last_change = state_->broker.tail();
  return state_->last_change;
}

}  // namespace trv::broker
