#include "model/consumer_reconcile.h"

#include <algorithm>
#include <iterator>

#include "base/mutant.h"

namespace trv::model {
namespace {

using Indexes = std::vector<std::int32_t>;

const Indexes& of(const TopicPartitions& partitions, TopicId topic, const Indexes& nothing) {
  auto it = partitions.find(topic);
  return it == partitions.end() ? nothing : it->second;
}

void put(TopicPartitions& to, TopicId topic, Indexes indexes) {
  if (!indexes.empty()) to.insert_or_assign(topic, std::move(indexes));
}

bool overlap(const TopicPartitions& a, const TopicPartitions& b) {
  for (const auto& [topic, indexes] : a) {
    auto other = b.find(topic);
    if (other == b.end()) continue;
    for (std::int32_t index : indexes) {
      if (std::binary_search(other->second.begin(), other->second.end(), index)) return true;
    }
  }
  return false;
}

// What a member has, and ought to have, side by side.
struct Difference {
  TopicPartitions kept;     // has and ought to
  TopicPartitions surplus;  // has and ought not to
  TopicPartitions granted;  // ought to, and nobody has it
  bool awaited = false;     // ought to, but another has it
};

Difference compare(const ConsumerGroup& group, const std::string& member_id,
                   const TopicPartitions& assigned, const TopicPartitions& target) {
  Difference difference;
  const Indexes nothing;
  for (const auto& [topic, indexes] : assigned) {
    const Indexes& wanted = of(target, topic, nothing);
    Indexes kept, surplus;
    std::set_intersection(indexes.begin(), indexes.end(), wanted.begin(), wanted.end(),
                          std::back_inserter(kept));
    std::set_difference(indexes.begin(), indexes.end(), wanted.begin(), wanted.end(),
                        std::back_inserter(surplus));
    put(difference.kept, topic, std::move(kept));
    put(difference.surplus, topic, std::move(surplus));
  }
  for (const auto& [topic, indexes] : target) {
    const Indexes& had = of(assigned, topic, nothing);
    Indexes granted;
    for (std::int32_t index : indexes) {
      if (std::binary_search(had.begin(), had.end(), index)) continue;
      const std::string* owner = group.owner_of(topic, index);
      if (owner != nullptr && *owner != member_id &&
          !TRV_MUTANT(partition_given_before_it_is_free)) {
        difference.awaited = true;
      } else {
        granted.push_back(index);
      }
    }
    put(difference.granted, topic, std::move(granted));
  }
  return difference;
}

TopicPartitions join(TopicPartitions a, const TopicPartitions& b) {
  for (const auto& [topic, indexes] : b) {
    Indexes both;
    Indexes& mine = a[topic];
    std::set_union(mine.begin(), mine.end(), indexes.begin(), indexes.end(),
                   std::back_inserter(both));
    mine = std::move(both);
  }
  return a;
}

void advance(ConsumerMember& member, std::int32_t epoch) {
  if (member.epoch == epoch) return;
  member.previous_epoch = member.epoch;
  member.epoch = epoch;
}

}  // namespace

ConsumerMember reconcile(const ConsumerGroup& group, const std::string& member_id,
                         ConsumerMember member, std::int32_t target_epoch,
                         const TopicPartitions& target,
                         const std::optional<TopicPartitions>& owned) {
  using State = ConsumerMember::State;
  if (member.state == State::stable && member.epoch == target_epoch) return member;
  if (member.state == State::revoking) {
    // Only a member that says what it has can have given anything up.
    if ((!owned || overlap(member.revoking, *owned)) && !TRV_MUTANT(revocation_not_awaited)) {
      return member;
    }
    advance(member, std::min(member.epoch + 1, target_epoch));
    member.revoking.clear();
    member.state = State::unreleased;
  }
  Difference difference = compare(group, member_id, member.assigned, target);
  bool must_revoke = !difference.surplus.empty() && (!owned || overlap(difference.surplus, *owned));
  if (must_revoke) {
    member.assigned = std::move(difference.kept);
    member.revoking = std::move(difference.surplus);
    member.state = State::revoking;
    return member;
  }
  member.assigned = join(std::move(difference.kept), difference.granted);
  member.state = difference.awaited ? State::unreleased : State::stable;
  advance(member, target_epoch);
  return member;
}

}  // namespace trv::model
