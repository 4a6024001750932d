// What a member of a consumer group says of itself, and what follows from it. Pure decisions over
// model/consumer_group.h: each gives the change to be journaled, and the answer.
//
// A heartbeat brings a member in, tells what changed about it, what it still has of what it was to
// give up, and that it lives; the answer moves it one step towards its target.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/consumer_group.h"
#include "model/group.h"

namespace trv::model {

inline constexpr std::chrono::milliseconds consumer_heartbeat_interval{5'000};
inline constexpr std::chrono::milliseconds consumer_session_timeout{45'000};
inline constexpr std::size_t consumer_members_max = 10'000;
// Of all topics that one member names.
inline constexpr std::size_t consumer_topics_size_max = 1u << 20;
inline constexpr std::size_t consumer_pattern_size_max = 4096;

struct ConsumerHeartbeat {
  static constexpr std::int32_t join = 0;
  static constexpr std::int32_t leave = -1;
  static constexpr std::int32_t leave_for_a_while = member_epoch_away;

  std::string member_id;
  std::int32_t epoch = join;  // as the member knows it, or one of the above
  std::optional<std::string> instance_id;
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  // What is absent is unchanged. `topics` ascending.
  std::optional<std::chrono::milliseconds> rebalance_timeout;
  std::optional<std::vector<std::string>> topics;
  std::optional<std::string> pattern;
  std::optional<std::string> assignor;
  std::optional<TopicPartitions> owned;

  // Everything is there: the member wants to hear everything, too.
  bool whole() const { return rebalance_timeout && (topics || pattern) && owned; }
};

// Which of the topics that were asked for exist, and what the patterns match.
struct FoundTopics {
  std::set<std::string, std::less<>> asked;
  KnownTopics topics;      // those of `asked` and those that a pattern matches
  TopicPatterns patterns;  // those that were asked for
};

struct ConsumerOutcome {
  GroupError error = GroupError::none;
  const char* message = "";  // to go with the error
  ConsumerGroupChange change;
  std::int32_t epoch = 0;                     // of the member
  std::optional<TopicPartitions> assignment;  // absent: unchanged
};

// What is wrong with the request, whatever the group; none if nothing.
ConsumerOutcome check_heartbeat(const ConsumerHeartbeat& request);

// Requires: check_heartbeat() finds nothing. Errors: unknown_member, fenced_epoch, fenced_instance,
// instance_in_use, group_full, other_protocol (a group without members is not joined by the way).
ConsumerOutcome decide_heartbeat(const ConsumerGroup& group, const ConsumerHeartbeat& request,
                                 const FoundTopics& found);

// Members that did not speak, or did not give up in time, are gone. Unknown ones are passed over.
ConsumerGroupChange decide_removal(const ConsumerGroup& group,
                                   const std::vector<std::string>& members);

// May the member with this epoch commit, or ask for, offsets?
GroupError check_member_epoch(const ConsumerGroup& group, std::string_view member_id,
                              std::int32_t epoch);

// All topics that members name, and all patterns.
std::set<std::string, std::less<>> subscribed_names(const ConsumerGroup& group);
std::set<std::string, std::less<>> subscribed_patterns(const ConsumerGroup& group);

}  // namespace trv::model
