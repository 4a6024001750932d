// ConsumerGroup: a group whose partitions the broker assigns: its members, what they subscribe to,
// who ought to have which partition (the target) and who has it now.
//
// Owner: the broker, one ConsumerGroups per shard; durable. It changes only by apply() of a command
// that was journaled; replay calls the same. What a heartbeat means is decided by
// model/consumer_heartbeat.h, which makes the change; bytes: docs/formats/consumer-groups.md.
// Source of the rules: KAFKA.md section 10, KIP-848.
//
// Three things move one after another, each with an epoch that only grows:
//
//   the group      epoch()         members, subscriptions or topics changed
//   the target     target_epoch()  computed for an epoch of the group: who ought to have what
//   each member    member.epoch    the target epoch that it has got to
//
// A member first gives up what its target lacks, then takes the epoch, then gets what it lacks and
// nobody else has any more.
//
// Invariants:
//   - state == replay of the commands == restore(snapshot());
//   - a partition is assigned to, or still to be given up by, at most one member (owner_of());
//   - target_epoch() <= epoch(), and no member's epoch is above target_epoch();
//   - lists of topics and partitions are ascending, and no list of partitions is empty.
//
// Pure: no I/O, no clock. When a member is dead is seen by the broker, which then removes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::model {

using TopicPartitions = std::map<TopicId, std::vector<std::int32_t>>;

struct KnownTopic {
  TopicId id;
  std::int32_t partition_count = 0;
  bool operator==(const KnownTopic&) const = default;
};
using KnownTopics = std::map<std::string, KnownTopic, std::less<>>;
// What each pattern matches, by name, ascending.
using TopicPatterns = std::map<std::string, std::vector<std::string>, std::less<>>;

// The member's epoch while a static member is away and may come back.
inline constexpr std::int32_t member_epoch_away = -2;

struct ConsumerMember {
  enum class State : std::uint8_t {
    stable = 0,      // has what its epoch's target gives it
    revoking = 1,    // must give partitions up before it gets to the next epoch
    unreleased = 2,  // lacks partitions that others have not given up yet
  };
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  std::chrono::milliseconds rebalance_timeout{0};
  std::vector<std::string> topics;
  std::string pattern;   // empty: none
  std::string assignor;  // empty: no wish
  std::int32_t epoch = 0;
  std::int32_t previous_epoch = 0;
  State state = State::stable;
  TopicPartitions assigned;
  TopicPartitions revoking;
  bool operator==(const ConsumerMember&) const = default;
};

// What one command changes; the parts that are absent stay as they are.
struct ConsumerGroupChange {
  std::optional<std::int32_t> epoch;
  std::optional<KnownTopics> topics;
  std::optional<TopicPatterns> patterns;
  std::optional<std::int32_t> target_epoch;
  std::vector<std::string> removed;
  std::vector<std::pair<std::string, ConsumerMember>> members;
  std::vector<std::pair<std::string, TopicPartitions>> targets;

  bool empty() const {
    return !epoch && !topics && !patterns && !target_epoch && removed.empty() && members.empty() &&
           targets.empty();
  }
};

class ConsumerGroup {
 public:
  using Members = std::map<std::string, ConsumerMember, std::less<>>;
  using Targets = std::map<std::string, TopicPartitions, std::less<>>;

  std::int32_t epoch() const { return epoch_; }
  std::int32_t target_epoch() const { return target_epoch_; }
  const Members& members() const { return members_; }
  const Targets& targets() const { return targets_; }
  // Those subscribed to that exist, as of the group's epoch.
  const KnownTopics& topics() const { return topics_; }
  const TopicPatterns& patterns() const { return patterns_; }

  // Null when there is none.
  const ConsumerMember* find(std::string_view member_id) const;
  // The id of the static member of this name; null when there is none.
  const std::string* find_instance(const std::string& instance_id) const;
  // Empty when there is none. Valid until the next apply().
  const TopicPartitions& target_of(std::string_view member_id) const;
  // Who has the partition, or has yet to give it up; null when nobody.
  const std::string* owner_of(TopicId topic, std::int32_t partition) const;

  // A word for each of: no members, the target is old, members are on their way, all have arrived.
  std::string_view state_name() const;
  // What most members wish, else the first that there is (model/consumer_assignor.h).
  std::string_view assignor() const;

  void apply(const ConsumerGroupChange& change);
  // The change that makes this group of none.
  ConsumerGroupChange whole() const;
  bool operator==(const ConsumerGroup& other) const;
  bool test_consistent() const;

 private:
  void remove(const std::string& member_id);
  void own(const std::string& member_id, const TopicPartitions& partitions);
  void disown(const std::string& member_id, const TopicPartitions& partitions);

  std::int32_t epoch_ = 0;
  std::int32_t target_epoch_ = 0;
  Members members_;
  Targets targets_;
  KnownTopics topics_;
  TopicPatterns patterns_;
  // Follow from the members.
  std::map<std::pair<TopicId, std::int32_t>, std::string> owners_;
  std::unordered_map<std::string, std::string> instances_;
};

class ConsumerGroups {
 public:
  using Groups = std::map<std::string, ConsumerGroup, std::less<>>;

  // Commands.
  static std::string encode_change(std::string_view group, const ConsumerGroupChange& change);
  static std::string encode_forget(std::string_view group);

  // Errors: corrupt; nothing is changed then.
  Status apply(ByteView command);

  // Null when there is none. Valid until it is forgotten.
  const ConsumerGroup* find(std::string_view group) const;
  const Groups& all() const { return groups_; }

  std::string snapshot() const;
  // Requires: *this is new. Errors: corrupt.
  Status restore(ByteView snapshot);

  bool operator==(const ConsumerGroups&) const = default;

 private:
  Groups groups_;
};

}  // namespace trv::model
