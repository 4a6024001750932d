#include "model/consumer_group.h"

#include <algorithm>

#include "base/mutant.h"
#include "model/consumer_assignor.h"

namespace trv::model {

const ConsumerMember* ConsumerGroup::find(std::string_view member_id) const {
  auto it = members_.find(member_id);
  return it == members_.end() ? nullptr : &it->second;
}

const std::string* ConsumerGroup::find_instance(const std::string& instance_id) const {
  auto it = instances_.find(instance_id);
  return it == instances_.end() ? nullptr : &it->second;
}

const TopicPartitions& ConsumerGroup::target_of(std::string_view member_id) const {
  static const TopicPartitions nothing;
  auto it = targets_.find(member_id);
  return it == targets_.end() ? nothing : it->second;
}

const std::string* ConsumerGroup::owner_of(TopicId topic, std::int32_t partition) const {
  auto it = owners_.find({topic, partition});
  return it == owners_.end() ? nullptr : &it->second;
}

std::string_view ConsumerGroup::state_name() const {
  if (members_.empty()) return "Empty";
  if (epoch_ > target_epoch_) return "Assigning";
  for (const auto& [id, member] : members_) {
    bool arrived = member.state == ConsumerMember::State::stable && member.epoch == target_epoch_;
    if (!arrived) return "Reconciling";
  }
  return "Stable";
}

std::string_view ConsumerGroup::assignor() const {
  std::vector<std::string_view> wishes;
  for (const auto& [id, member] : members_) wishes.push_back(member.assignor);
  return choose_assignor(wishes);
}

void ConsumerGroup::own(const std::string& member_id, const TopicPartitions& partitions) {
  for (const auto& [topic, indexes] : partitions) {
    for (std::int32_t index : indexes) owners_.insert_or_assign({topic, index}, member_id);
  }
}

void ConsumerGroup::disown(const std::string& member_id, const TopicPartitions& partitions) {
  for (const auto& [topic, indexes] : partitions) {
    for (std::int32_t index : indexes) {
      auto it = owners_.find({topic, index});
      if (it != owners_.end() && it->second == member_id) owners_.erase(it);
    }
  }
}

void ConsumerGroup::remove(const std::string& member_id) {
  auto it = members_.find(member_id);
  if (it == members_.end()) return;
  disown(member_id, it->second.assigned);
  disown(member_id, it->second.revoking);
  if (it->second.instance_id) {
    auto instance = instances_.find(*it->second.instance_id);
    if (instance != instances_.end() && instance->second == member_id) instances_.erase(instance);
  }
  members_.erase(it);
}

void ConsumerGroup::apply(const ConsumerGroupChange& change) {
  if (change.epoch) epoch_ = *change.epoch;
  if (change.topics) topics_ = *change.topics;
  if (change.patterns) patterns_ = *change.patterns;
  if (change.target_epoch) target_epoch_ = *change.target_epoch;
  for (const std::string& id : change.removed) {
    remove(id);
    targets_.erase(id);
  }
  for (const auto& [id, member] : change.members) {
    remove(id);
    own(id, member.assigned);
    own(id, member.revoking);
    if (member.instance_id) instances_.insert_or_assign(*member.instance_id, id);
    members_.emplace(id, member);
  }
  for (const auto& [id, target] : change.targets) {
    if (target.empty()) {
      targets_.erase(id);
    } else {
      targets_.insert_or_assign(id, target);
    }
  }
}

ConsumerGroupChange ConsumerGroup::whole() const {
  ConsumerGroupChange change;
  if (!TRV_MUTANT(group_epoch_lost_in_checkpoint)) change.epoch = epoch_;
  change.target_epoch = target_epoch_;
  change.topics = topics_;
  change.patterns = patterns_;
  change.members.assign(members_.begin(), members_.end());
  change.targets.assign(targets_.begin(), targets_.end());
  return change;
}

bool ConsumerGroup::operator==(const ConsumerGroup& other) const {
  return epoch_ == other.epoch_ && target_epoch_ == other.target_epoch_ &&
         members_ == other.members_ && targets_ == other.targets_ && topics_ == other.topics_ &&
         patterns_ == other.patterns_;
}

bool ConsumerGroup::test_consistent() const {
  std::size_t owned = 0;
  for (const auto& [id, member] : members_) {
    if (member.epoch > target_epoch_) return false;
    for (const TopicPartitions* partitions : {&member.assigned, &member.revoking}) {
      for (const auto& [topic, indexes] : *partitions) {
        if (indexes.empty() || !std::is_sorted(indexes.begin(), indexes.end())) return false;
        owned += indexes.size();
        for (std::int32_t index : indexes) {
          const std::string* owner = owner_of(topic, index);
          if (owner == nullptr || *owner != id) return false;
        }
      }
    }
  }
  return owned == owners_.size() && target_epoch_ <= epoch_;
}

const ConsumerGroup* ConsumerGroups::find(std::string_view group) const {
  auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

}  // namespace trv::model
