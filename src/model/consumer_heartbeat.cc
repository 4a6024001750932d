#include "model/consumer_heartbeat.h"

#include <algorithm>

#include "base/mutant.h"
#include "model/consumer_assignor.h"
#include "model/consumer_reconcile.h"

namespace trv::model {
namespace {

ConsumerOutcome refuse(GroupError error, const char* message) {
  ConsumerOutcome outcome;
  outcome.error = error;
  outcome.message = message;
  return outcome;
}

bool contains(const TopicPartitions& all, const TopicPartitions& some) {
  for (const auto& [topic, indexes] : some) {
    auto it = all.find(topic);
    if (it == all.end() ||
        !std::includes(it->second.begin(), it->second.end(), indexes.begin(), indexes.end())) {
      return false;
    }
  }
  return true;
}

// Whose record the request is about, and whom that replaces.
struct Subject {
  GroupError error = GroupError::none;
  const char* message = "";
  const ConsumerMember* member = nullptr;  // null: a new one
  std::optional<std::string> replaced;     // a static member that was away, with another id
};

Subject no_subject(GroupError error, const char* message) {
  return {error, message, nullptr, std::nullopt};
}

// An answer may have been lost: a member may then still speak of its previous epoch, as long as it
// has nothing that was not given to it since.
Subject check_epoch(const ConsumerMember& member, const ConsumerHeartbeat& request) {
  if (TRV_MUTANT(member_epoch_not_checked)) return {GroupError::none, "", &member, std::nullopt};
  if (request.epoch > member.epoch) {
    return no_subject(GroupError::fenced_epoch,
                      "the member's epoch is greater than the one known here; it must give up its "
                      "partitions and join again");
  }
  if (request.epoch < member.epoch) {
    bool late =
        request.epoch == member.previous_epoch && request.owned &&
        (contains(member.assigned, *request.owned) || TRV_MUTANT(late_member_keeps_what_it_lost));
    if (!late) {
      return no_subject(GroupError::fenced_epoch,
                        "the member's epoch is smaller than the one known here; it must give up "
                        "its partitions and join again");
    }
  }
  return {GroupError::none, "", &member, std::nullopt};
}

Subject find_static(const ConsumerGroup& group, const ConsumerHeartbeat& request) {
  const std::string* id = group.find_instance(*request.instance_id);
  if (request.epoch == ConsumerHeartbeat::join) {
    if (id == nullptr) return {GroupError::none, "", group.find(request.member_id), std::nullopt};
    const ConsumerMember* member = group.find(*id);
    if (*id == request.member_id) return {GroupError::none, "", member, std::nullopt};
    if (member->epoch != member_epoch_away && !TRV_MUTANT(instance_taken_from_its_member)) {
      return no_subject(GroupError::instance_in_use,
                        "the instance id is in use by another member of the group");
    }
    return {GroupError::none, "", member, *id};
  }
  if (id == nullptr) {
    return no_subject(GroupError::unknown_member, "no member of the group has this instance id");
  }
  if (*id != request.member_id && !TRV_MUTANT(replaced_consumer_not_fenced)) {
    return no_subject(GroupError::fenced_instance,
                      "another member of the group has taken over the instance id");
  }
  const ConsumerMember* member = group.find(*id);
  if (request.epoch < 0) return {GroupError::none, "", member, std::nullopt};
  return check_epoch(*member, request);
}

Subject find_subject(const ConsumerGroup& group, const ConsumerHeartbeat& request) {
  if (request.instance_id) return find_static(group, request);
  const ConsumerMember* member = group.find(request.member_id);
  if (request.epoch == ConsumerHeartbeat::join) return {GroupError::none, "", member, std::nullopt};
  if (member == nullptr) {
    return no_subject(GroupError::unknown_member, "not a member of the group");
  }
  if (request.epoch < 0) return {GroupError::none, "", member, std::nullopt};
  return check_epoch(*member, request);
}

ConsumerMember updated_member(const ConsumerMember* known, bool replaces,
                              const ConsumerHeartbeat& request) {
  ConsumerMember member = known == nullptr ? ConsumerMember{} : *known;
  if (replaces || member.epoch == member_epoch_away) {
    member.epoch = 0;
    member.previous_epoch = 0;
  }
  if (request.instance_id) member.instance_id = request.instance_id;
  if (request.rack_id) member.rack_id = request.rack_id;
  member.client_id = request.client_id;
  member.client_host = request.client_host;
  if (request.rebalance_timeout) member.rebalance_timeout = *request.rebalance_timeout;
  if (request.topics) member.topics = *request.topics;
  if (request.pattern) member.pattern = *request.pattern;
  if (request.assignor) member.assignor = *request.assignor;
  return member;
}

// The members as they will be.
using View = std::map<std::string_view, const ConsumerMember*>;

View view_with(const ConsumerGroup& group, const std::string& id, const ConsumerMember& member,
               const std::optional<std::string>& replaced) {
  View view;
  for (const auto& [known_id, known] : group.members()) view.emplace(known_id, &known);
  if (replaced) view.erase(*replaced);
  view.insert_or_assign(id, &member);
  return view;
}

// What is known of the patterns and topics that these members subscribe to: as found now, or as
// known before where it was not asked for.
struct Topics {
  TopicPatterns patterns;
  KnownTopics topics;
};

Topics topics_for(const ConsumerGroup& group, const View& view, const FoundTopics& found) {
  Topics known;
  std::set<std::string_view> names;
  std::set<std::string_view> matched;  // as found now
  for (const auto& [id, member] : view) {
    names.insert(member->topics.begin(), member->topics.end());
    if (member->pattern.empty()) continue;
    auto now = found.patterns.find(member->pattern);
    if (now != found.patterns.end()) {
      known.patterns.insert(*now);
      matched.insert(now->second.begin(), now->second.end());
    } else if (auto was = group.patterns().find(member->pattern); was != group.patterns().end()) {
      known.patterns.insert(*was);
    }
  }
  for (const auto& [pattern, matches] : known.patterns)
    names.insert(matches.begin(), matches.end());
  for (std::string_view name : names) {
    bool fresh = found.asked.contains(name) || matched.contains(name);
    const KnownTopics& source = fresh ? found.topics : group.topics();
    auto topic = source.find(name);
    if (topic != source.end()) known.topics.insert(*topic);
  }
  return known;
}

// Did the topics change that these members subscribe to? Those that nobody wants any more do not
// count; one that a pattern matched before, and that is gone, does.
bool topics_changed(const ConsumerGroup& group, const Topics& known, const View& view) {
  std::set<std::string_view> wanted;
  for (const auto& [id, member] : view) {
    wanted.insert(member->topics.begin(), member->topics.end());
    for (const TopicPatterns* patterns : {&group.patterns(), &known.patterns}) {
      auto matches = patterns->find(member->pattern);
      if (matches != patterns->end()) wanted.insert(matches->second.begin(), matches->second.end());
    }
  }
  for (const auto& [name, topic] : group.topics()) {
    if (!wanted.contains(name)) continue;
    auto now = known.topics.find(name);
    if (now == known.topics.end() && TRV_MUTANT(deleted_topic_stays_assigned)) continue;
    if (now == known.topics.end() || now->second != topic) return true;
  }
  return std::any_of(known.topics.begin(), known.topics.end(),
                     [&](const auto& topic) { return !group.topics().contains(topic.first); });
}

std::vector<TopicId> topic_ids(const ConsumerMember& member, const Topics& known) {
  std::vector<TopicId> ids;
  auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      auto topic = known.topics.find(name);
      if (topic != known.topics.end()) ids.push_back(topic->second.id);
    }
  };
  add(member.topics);
  auto matches = known.patterns.find(member.pattern);
  if (matches != known.patterns.end()) add(matches->second);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::string_view assignor_of(const View& view) {
  std::vector<std::string_view> wishes;
  for (const auto& [id, member] : view) wishes.push_back(member->assignor);
  return choose_assignor(wishes);
}

// Puts the targets that are not what they were into the change.
void assign_targets(const ConsumerGroup& group, const View& view, const Topics& known,
                    const ConsumerGroup::Targets& carried, ConsumerGroupChange& change) {
  std::vector<AssignorMember> members;
  auto target_before = [&](std::string_view id) -> const TopicPartitions* {
    auto it = carried.find(id);
    return it == carried.end() ? &group.target_of(id) : &it->second;
  };
  for (const auto& [id, member] : view) {
    members.push_back({id, member->instance_id ? std::string_view(*member->instance_id) : "",
                       topic_ids(*member, known), target_before(id)});
  }
  PartitionCounts counts;
  for (const auto& [name, topic] : known.topics) counts[topic.id] = topic.partition_count;
  Assignment assignment = assign(assignor_of(view), members, counts);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (group.target_of(members[i].id) == assignment[i]) continue;
    change.targets.emplace_back(std::string(members[i].id), std::move(assignment[i]));
  }
}

const TopicPartitions& target_after(const ConsumerGroup& group, const std::string& id,
                                    const ConsumerGroupChange& change) {
  for (const auto& [member, target] : change.targets) {
    if (member == id) return target;
  }
  return group.target_of(id);
}

ConsumerOutcome leave(const ConsumerGroup& group, const ConsumerHeartbeat& request,
                      const ConsumerMember& member) {
  ConsumerOutcome outcome;
  outcome.epoch = request.epoch;
  if (request.epoch == ConsumerHeartbeat::leave) {
    outcome.change = decide_removal(group, {request.member_id});
    return outcome;
  }
  ConsumerMember away = member;
  away.epoch = member_epoch_away;
  away.revoking.clear();
  outcome.change.members.emplace_back(request.member_id, std::move(away));
  return outcome;
}

void update_group(const ConsumerGroup& group, const View& view, const Topics& known, bool grown,
                  const ConsumerGroup::Targets& carried, ConsumerGroupChange& change) {
  if (known.topics != group.topics()) change.topics = known.topics;
  if (known.patterns != group.patterns()) change.patterns = known.patterns;
  std::int32_t epoch = group.epoch();
  if (grown || topics_changed(group, known, view)) {
    change.epoch = ++epoch;
  }
  if (epoch == group.target_epoch()) return;
  change.target_epoch = epoch;
  assign_targets(group, view, known, carried, change);
}

}  // namespace

ConsumerOutcome check_heartbeat(const ConsumerHeartbeat& request) {
  auto invalid = [](const char* message) { return refuse(GroupError::invalid_request, message); };
  if (request.member_id.empty()) return invalid("MemberId can't be empty.");
  if (request.instance_id && request.instance_id->empty()) {
    return invalid("InstanceId can't be empty.");
  }
  if (request.rack_id && request.rack_id->empty()) return invalid("RackId can't be empty.");
  if (request.epoch < member_epoch_away) return invalid("MemberEpoch is invalid.");
  if (request.epoch == ConsumerHeartbeat::leave_for_a_while && !request.instance_id) {
    return invalid("InstanceId can't be null.");
  }
  if (request.epoch < 0) return {};
  if (request.epoch == ConsumerHeartbeat::join) {
    if (!request.rebalance_timeout) {
      return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    if (!request.owned || !request.owned->empty()) {
      return invalid("TopicPartitions must be empty when (re-)joining.");
    }
    if (!request.topics && !request.pattern) {
      return invalid("SubscribedTopicNames or SubscribedTopicRegex must be set in first request.");
    }
  }
  std::size_t size = 0;
  if (request.topics) {
    for (const std::string& name : *request.topics) size += name.size();
  }
  if (size > consumer_topics_size_max) return invalid("too many topics are subscribed to");
  if (request.pattern && request.pattern->size() > consumer_pattern_size_max) {
    return refuse(GroupError::invalid_pattern, "the regular expression is too long");
  }
  if (request.assignor && !request.assignor->empty() &&
      std::find(assignor_names.begin(), assignor_names.end(), *request.assignor) ==
          assignor_names.end()) {
    return refuse(GroupError::unknown_assignor,
                  "the assignor is not supported. Supported assignors: uniform, range.");
  }
  return {};
}

ConsumerOutcome decide_heartbeat(const ConsumerGroup& group, const ConsumerHeartbeat& request,
                                 const FoundTopics& found) {
  Subject subject = find_subject(group, request);
  if (subject.error != GroupError::none) return refuse(subject.error, subject.message);
  if (request.epoch < 0) return leave(group, request, *subject.member);
  if (subject.member == nullptr && group.members().size() >= consumer_members_max) {
    return refuse(GroupError::group_full, "the group has as many members as there may be");
  }
  const std::string& id = request.member_id;
  ConsumerMember member = updated_member(subject.member, subject.replaced.has_value(), request);
  bool grown = subject.member == nullptr || member.topics != subject.member->topics ||
               member.pattern != subject.member->pattern;
  ConsumerOutcome outcome;
  ConsumerGroupChange& change = outcome.change;
  ConsumerGroup::Targets carried;
  if (subject.replaced) {
    change.removed.push_back(*subject.replaced);
    carried.emplace(id, group.target_of(*subject.replaced));
  }
  View view = view_with(group, id, member, subject.replaced);
  update_group(group, view, topics_for(group, view, found), grown, carried, change);
  if (subject.replaced && !change.target_epoch) {
    change.targets.emplace_back(id, carried.begin()->second);
  }
  // What the replaced member had is this one's, so nobody else has it in the eyes of the group.
  const std::string& as = subject.replaced ? *subject.replaced : id;
  member =
      reconcile(group, as, std::move(member), change.target_epoch.value_or(group.target_epoch()),
                target_after(group, id, change), request.owned);
  outcome.epoch = member.epoch;
  bool assigned_changed =
      subject.member == nullptr || subject.replaced || member.assigned != subject.member->assigned;
  if (assigned_changed || request.epoch == ConsumerHeartbeat::join || request.whole()) {
    outcome.assignment = member.assigned;
  }
  if (subject.member == nullptr || subject.replaced || member != *subject.member) {
    change.members.emplace_back(id, std::move(member));
  }
  return outcome;
}

ConsumerGroupChange decide_removal(const ConsumerGroup& group,
                                   const std::vector<std::string>& members) {
  ConsumerGroupChange change;
  for (const std::string& id : members) {
    if (group.find(id) != nullptr) change.removed.push_back(id);
  }
  if (!change.removed.empty()) change.epoch = group.epoch() + 1;
  return change;
}

GroupError check_member_epoch(const ConsumerGroup& group, std::string_view member_id,
                              std::int32_t epoch) {
  const ConsumerMember* member = group.find(member_id);
  if (member == nullptr) return GroupError::unknown_member;
  return member->epoch == epoch || TRV_MUTANT(commit_of_old_member_epoch_accepted)
             ? GroupError::none
             : GroupError::stale_epoch;
}

std::set<std::string, std::less<>> subscribed_names(const ConsumerGroup& group) {
  std::set<std::string, std::less<>> names;
  for (const auto& [id, member] : group.members()) {
    names.insert(member.topics.begin(), member.topics.end());
  }
  return names;
}

std::set<std::string, std::less<>> subscribed_patterns(const ConsumerGroup& group) {
  std::set<std::string, std::less<>> patterns;
  for (const auto& [id, member] : group.members()) {
    if (!member.pattern.empty()) patterns.insert(member.pattern);
  }
  return patterns;
}

}  // namespace trv::model
