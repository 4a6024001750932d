#include "model/share_group.h"

#include <algorithm>

#include "base/mutant.h"
#include "model/share_assignor.h"

namespace trv::model {
namespace {

ShareAnswer refuse(GroupError error, const char* message) {
  ShareAnswer answer;
  answer.error = error;
  answer.message = message;
  return answer;
}

// An answer may have been lost: a member may still speak of its previous epoch.
bool is_fenced(const ShareMember& member, std::int32_t epoch) {
  if (TRV_MUTANT(share_member_epoch_not_checked)) return false;
  return epoch != member.epoch && epoch != member.previous_epoch;
}

std::vector<TopicId> topic_ids(const ShareMember& member, const KnownTopics& topics) {
  std::vector<TopicId> ids;
  for (const std::string& name : member.topics) {
    auto topic = topics.find(name);
    if (topic != topics.end()) ids.push_back(topic->second.id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

ShareAnswer check_share_heartbeat(const ShareHeartbeat& request) {
  auto invalid = [](const char* message) { return refuse(GroupError::invalid_request, message); };
  if (request.member_id.empty()) return invalid("MemberId can't be empty.");
  if (request.rack_id && request.rack_id->empty()) return invalid("RackId can't be empty.");
  if (request.epoch < ShareHeartbeat::leave) return invalid("MemberEpoch is invalid.");
  if (request.epoch == ShareHeartbeat::join && (!request.topics || request.topics->empty())) {
    return invalid("SubscribedTopicNames must be set in first request.");
  }
  std::size_t size = 0;
  if (request.topics) {
    for (const std::string& name : *request.topics) size += name.size();
  }
  if (size > consumer_topics_size_max) return invalid("too many topics are subscribed to");
  return {};
}

std::set<std::string, std::less<>> ShareGroup::subscribed_names() const {
  std::set<std::string, std::less<>> names;
  for (const auto& [id, member] : members_) {
    names.insert(member.topics.begin(), member.topics.end());
  }
  return names;
}

ShareAnswer ShareGroup::heartbeat(const ShareHeartbeat& request, const FoundTopics& found) {
  auto known = members_.find(request.member_id);
  const bool joins = request.epoch == ShareHeartbeat::join;
  if (known == members_.end() && !joins) {
    return refuse(GroupError::unknown_member, "not a member of the group");
  }
  if (request.epoch == ShareHeartbeat::leave) {
    remove({request.member_id});
    ShareAnswer left;
    left.epoch = request.epoch;
    return left;
  }
  if (!joins && is_fenced(known->second, request.epoch)) {
    return refuse(GroupError::fenced_epoch,
                  "the member's epoch is not the one known here; it must join again");
  }
  const bool fresh = known == members_.end();
  if (fresh && members_.size() >= share_members_max) {
    return refuse(GroupError::group_full, "the group has as many members as there may be");
  }
  ShareMember& member = members_[request.member_id];
  bool changed = fresh;
  if (request.rack_id) member.rack_id = request.rack_id;
  member.client_id = request.client_id;
  member.client_host = request.client_host;
  if (request.topics && *request.topics != member.topics) {
    member.topics = *request.topics;
    changed = true;
  }
  if (refresh_topics(found)) changed = true;
  if (changed) assign();
  ShareAnswer answer;
  bool moved = false;
  if (member.epoch != epoch_) {
    member.previous_epoch = member.epoch;
    member.epoch = epoch_;
    TopicPartitions target = targets_[request.member_id];
    moved = target != member.assigned;
    member.assigned = std::move(target);
  }
  answer.epoch = member.epoch;
  if (moved || joins || request.topics) answer.assignment = member.assigned;
  return answer;
}

bool ShareGroup::refresh_topics(const FoundTopics& found) {
  KnownTopics topics;
  for (const std::string& name : subscribed_names()) {
    const KnownTopics& source = found.asked.contains(name) ? found.topics : topics_;
    auto topic = source.find(name);
    if (topic != source.end()) topics.insert(*topic);
  }
  if (topics == topics_) return false;
  topics_ = std::move(topics);
  return true;
}

void ShareGroup::assign() {
  ++epoch_;
  std::vector<AssignorMember> members;
  for (const auto& [id, member] : members_) {
    auto before = targets_.find(id);
    members.push_back(
        {id, "", topic_ids(member, topics_), before == targets_.end() ? nullptr : &before->second});
  }
  PartitionCounts counts;
  for (const auto& [name, topic] : topics_) counts[topic.id] = topic.partition_count;
  Assignment assignment = assign_shared(members, counts);
  std::map<std::string, TopicPartitions, std::less<>> targets;
  for (std::size_t i = 0; i < members.size(); ++i) {
    targets.emplace(std::string(members[i].id), std::move(assignment[i]));
  }
  targets_ = std::move(targets);
}

void ShareGroup::remove(const std::vector<std::string>& members) {
  bool changed = false;
  for (const std::string& id : members) {
    if (members_.erase(id) > 0) changed = true;
  }
  if (changed) assign();
}

}  // namespace trv::model
