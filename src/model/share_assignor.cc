#include "model/share_assignor.h"

#include <algorithm>
#include <utility>

namespace trv::model {
namespace {

// One class of members with the same subscriptions: which of them have which of their partitions.
class Sharing {
 public:
  Sharing(std::vector<const AssignorMember*> members, const PartitionCounts& topics)
      : members_(std::move(members)) {
    for (TopicId topic : members_.front()->topics) {
      auto count = topics.find(topic);
      if (count == topics.end()) continue;
      for (std::int32_t index = 0; index < count->second; ++index) {
        partitions_.push_back({topic, index});
      }
    }
    counts_.resize(members_.size());
    sharers_.resize(partitions_.size());
    given_.resize(members_.size());
  }

  std::vector<TopicPartitions> run() {
    if (partitions_.empty()) return given_;
    if (members_.size() <= partitions_.size()) {
      spread_partitions();
    } else {
      spread_members();
    }
    return given_;
  }

 private:
  using Partition = std::pair<TopicId, std::int32_t>;

  // How many may have one more than the others, when `things` are dealt out to `places`.
  struct Quota {
    Quota(std::size_t things, std::size_t places) : each(things / places), extra(things % places) {}
    // Whether a place that has `count` may get another one.
    bool take(std::size_t count) {
      if (count < each) return true;
      if (count > each || extra == 0) return false;
      --extra;
      return true;
    }
    std::size_t each;
    std::size_t extra;
  };

  bool had(std::size_t member, const Partition& partition) const {
    const TopicPartitions* before = members_[member]->before;
    if (before == nullptr) return false;
    auto topic = before->find(partition.first);
    return topic != before->end() &&
           std::binary_search(topic->second.begin(), topic->second.end(), partition.second);
  }
  void give(std::size_t member, std::size_t partition) {
    given_[member][partitions_[partition].first].push_back(partitions_[partition].second);
    ++counts_[member];
    ++sharers_[partition];
  }
  static std::size_t least(const std::vector<std::size_t>& counts) {
    return static_cast<std::size_t>(std::min_element(counts.begin(), counts.end()) -
                                    counts.begin());
  }

  // Each partition goes to one member.
  void spread_partitions() {
    Quota quota(partitions_.size(), members_.size());
    for (std::size_t member = 0; member < members_.size(); ++member) {
      for (std::size_t place = 0; place < partitions_.size(); ++place) {
        if (sharers_[place] > 0 || !had(member, partitions_[place])) continue;
        if (!quota.take(counts_[member])) break;
        give(member, place);
      }
    }
    for (std::size_t place = 0; place < partitions_.size(); ++place) {
      if (sharers_[place] == 0) give(least(counts_), place);
    }
    for (TopicPartitions& given : given_) {
      for (auto& [topic, indexes] : given) std::sort(indexes.begin(), indexes.end());
    }
  }

  // Each member goes to one partition.
  void spread_members() {
    Quota quota(members_.size(), partitions_.size());
    for (std::size_t member = 0; member < members_.size(); ++member) {
      for (std::size_t place = 0; place < partitions_.size(); ++place) {
        if (!had(member, partitions_[place]) || !quota.take(sharers_[place])) continue;
        give(member, place);
        break;
      }
    }
    for (std::size_t member = 0; member < members_.size(); ++member) {
      if (counts_[member] == 0) give(member, least(sharers_));
    }
  }

  std::vector<const AssignorMember*> members_;
  std::vector<Partition> partitions_;
  std::vector<std::size_t> counts_;   // by member: its partitions
  std::vector<std::size_t> sharers_;  // by partition: its members
  std::vector<TopicPartitions> given_;
};

}  // namespace

Assignment assign_shared(const std::vector<AssignorMember>& members,
                         const PartitionCounts& topics) {
  std::map<std::vector<TopicId>, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < members.size(); ++i) classes[members[i].topics].push_back(i);
  Assignment assignment(members.size());
  for (const auto& [subscription, places] : classes) {
    std::vector<const AssignorMember*> alike;
    for (std::size_t place : places) alike.push_back(&members[place]);
    std::vector<TopicPartitions> given = Sharing(std::move(alike), topics).run();
    for (std::size_t i = 0; i < places.size(); ++i) assignment[places[i]] = std::move(given[i]);
  }
  return assignment;
}

}  // namespace trv::model
