#include "model/consumer_assignor.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/assert.h"

namespace trv::model {
namespace {

// Members with the same subscriptions, the least loaded first. Most groups have one such class, so
// finding who should get a partition does not grow with the group.
struct Class {
  std::set<std::pair<std::size_t, std::size_t>> by_load;  // count, member
};

class Uniform {
 public:
  Uniform(const std::vector<AssignorMember>& members, const PartitionCounts& topics)
      : members_(members), topics_(topics), loads_(members.size()), class_of_(members.size()) {
    classify();
    keep();
    give_free();
    // Each move lowers the sum of the squares of the loads, so this ends.
    while (level()) {
    }
  }

  Assignment result() const {
    Assignment assignment(members_.size());
    for (const auto& [topic, owners] : owners_) {
      for (std::size_t index = 0; index < owners.size(); ++index) {
        if (owners[index] == nobody) continue;
        assignment[owners[index]][topic].push_back(static_cast<std::int32_t>(index));
      }
    }
    return assignment;
  }

 private:
  static constexpr std::size_t nobody = SIZE_MAX;

  void classify() {
    std::map<std::vector<TopicId>, std::size_t> known;
    for (std::size_t member = 0; member < members_.size(); ++member) {
      auto [it, added] = known.try_emplace(members_[member].topics, classes_.size());
      if (added) {
        classes_.emplace_back();
        for (TopicId topic : members_[member].topics)
          classes_by_topic_[topic].push_back(it->second);
      }
      class_of_[member] = it->second;
      classes_[it->second].by_load.emplace(0, member);
    }
    for (const auto& [topic, count] : topics_) {
      if (classes_by_topic_.contains(topic)) {
        owners_[topic].assign(static_cast<std::size_t>(count), nobody);
      }
    }
  }

  void load(std::size_t member, std::ptrdiff_t step) {
    auto& by_load = classes_[class_of_[member]].by_load;
    by_load.erase({loads_[member], member});
    loads_[member] += static_cast<std::size_t>(step);
    by_load.emplace(loads_[member], member);
  }

  void give(TopicId topic, std::size_t index, std::size_t member) {
    std::size_t& owner = owners_[topic][index];
    if (owner != nobody) load(owner, -1);
    owner = member;
    load(member, 1);
  }

  bool subscribes(std::size_t member, TopicId topic) const {
    const std::vector<TopicId>& topics = members_[member].topics;
    return std::binary_search(topics.begin(), topics.end(), topic);
  }

  // What everybody had and may still have, for a start.
  void keep() {
    for (std::size_t member = 0; member < members_.size(); ++member) {
      if (members_[member].before == nullptr) continue;
      for (const auto& [topic, indexes] : *members_[member].before) {
        if (!subscribes(member, topic)) continue;
        auto owners = owners_.find(topic);
        if (owners == owners_.end()) continue;
        for (std::int32_t index : indexes) {
          auto place = static_cast<std::size_t>(index);
          if (place < owners->second.size() && owners->second[place] == nobody) {
            give(topic, place, member);
          }
        }
      }
    }
  }

  std::size_t least_loaded(TopicId topic) const {
    std::pair<std::size_t, std::size_t> least(SIZE_MAX, nobody);
    for (std::size_t index : classes_by_topic_.at(topic)) {
      least = std::min(least, *classes_[index].by_load.begin());
    }
    return least.second;
  }

  // Topics with few subscribers first: others leave more choice later.
  void give_free() {
    std::vector<std::pair<std::size_t, TopicId>> order;
    for (const auto& [topic, owners] : owners_) {
      std::size_t subscribers = 0;
      for (std::size_t index : classes_by_topic_.at(topic)) {
        subscribers += classes_[index].by_load.size();
      }
      order.emplace_back(subscribers, topic);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [subscribers, topic] : order) {
      std::vector<std::size_t>& owners = owners_[topic];
      for (std::size_t index = 0; index < owners.size(); ++index) {
        if (owners[index] == nobody) give(topic, index, least_loaded(topic));
      }
    }
  }

  // Moves partitions from whoever has at least two more than another that could have them.
  bool level() {
    bool moved = false;
    for (auto& [topic, owners] : owners_) {
      for (std::size_t index = 0; index < owners.size(); ++index) {
        std::size_t least = least_loaded(topic);
        if (loads_[owners[index]] < loads_[least] + 2) continue;
        give(topic, index, least);
        moved = true;
      }
    }
    return moved;
  }

  const std::vector<AssignorMember>& members_;
  const PartitionCounts& topics_;
  std::vector<std::size_t> loads_;
  std::vector<std::size_t> class_of_;
  std::vector<Class> classes_;
  std::map<TopicId, std::vector<std::size_t>> classes_by_topic_;
  std::map<TopicId, std::vector<std::size_t>> owners_;  // by partition
};

}  // namespace

Assignment assign_uniform(const std::vector<AssignorMember>& members,
                          const PartitionCounts& topics) {
  return Uniform(members, topics).result();
}

Assignment assign_range(const std::vector<AssignorMember>& members, const PartitionCounts& topics) {
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Static members first, so that their places do not change with their ids.
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    auto key = [&](std::size_t i) {
      const AssignorMember& member = members[i];
      return std::tuple(member.instance_id.empty(), member.instance_id, member.id);
    };
    return key(a) < key(b);
  });
  std::map<TopicId, std::vector<std::size_t>> subscribers;
  for (std::size_t member : order) {
    for (TopicId topic : members[member].topics) subscribers[topic].push_back(member);
  }
  Assignment assignment(members.size());
  for (const auto& [topic, readers] : subscribers) {
    auto known = topics.find(topic);
    if (known == topics.end()) continue;
    auto partitions = static_cast<std::size_t>(known->second);
    std::size_t next = 0;
    for (std::size_t place = 0; place < readers.size(); ++place) {
      std::size_t share =
          partitions / readers.size() + (place < partitions % readers.size() ? 1 : 0);
      for (std::size_t i = 0; i < share; ++i) {
        assignment[readers[place]][topic].push_back(static_cast<std::int32_t>(next++));
      }
    }
  }
  return assignment;
}

std::string_view choose_assignor(const std::vector<std::string_view>& wishes) {
  std::string_view best = assignor_names.front();
  std::ptrdiff_t most = 0;
  for (std::string_view name : assignor_names) {
    std::ptrdiff_t count = std::count(wishes.begin(), wishes.end(), name);
    if (count <= most) continue;
    best = name;
    most = count;
  }
  return best;
}

Assignment assign(std::string_view name, const std::vector<AssignorMember>& members,
                  const PartitionCounts& topics) {
  if (name == assignor_names[1]) return assign_range(members, topics);
  TRV_ASSERT(name == assignor_names[0]);
  return assign_uniform(members, topics);
}

}  // namespace trv::model
