// ConsumerGroups: the consumer groups of this core's shards whose partitions the broker assigns.
//
// Owner: the core's Groups. The rules are model/consumer_heartbeat.h's, the state is
// model::ConsumerGroups', one object a shard, durable. What is volatile is when each member was
// heard last: after a restart all have their full time again.
//
// Topics may live on any core, so a heartbeat first asks all cores what it must know of them, and
// decides when the answers are there. Answers come in the order of the questions.
//
// Invariants:
//   - every heartbeat is answered exactly once, unless the broker stops before;
//   - what an answer says may be spoken of once its commit is durable.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "model/consumer_heartbeat.h"

namespace trv::broker {

class ConsumerGroups {
 public:
  explicit ConsumerGroups(Broker& broker);
  ~ConsumerGroups();
  // After recovery.
  void start();
  void stop();

  struct Answer {
    model::GroupError error = model::GroupError::none;
    std::string message;  // with an error
    std::int32_t epoch = 0;
    std::optional<model::TopicPartitions> assignment;  // absent: unchanged
    Commit shown;
  };
  using OnAnswered = UniqueFunction<void(Answer)>;
  // Tells which topics may be subscribed to at all.
  using Shown = bool (*)(std::string_view topic);
  void heartbeat(const std::string& group, model::ConsumerHeartbeat request, Shown shown,
                 OnAnswered done);

  // Null when there is no such group. Valid until the closure returns.
  const model::ConsumerGroup* find(std::string_view group) const;
  bool has_members(std::string_view group) const;
  // Names of all, those without members too.
  std::vector<std::string> names() const;
  // Covers all that the groups have gone through so far.
  Commit last_change() const;

  // May the member commit offsets, or ask for them? Nothing when there is no such group.
  std::optional<model::GroupError> check_member(std::string_view group, std::string_view member_id,
                                                std::int32_t epoch) const;
  // Requires: it has no members. Errors: no_space.
  Result<Commit> forget(const std::string& group);

  void test_set_session_timeout(std::chrono::milliseconds timeout);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
