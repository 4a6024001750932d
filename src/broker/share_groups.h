// ShareGroups: the groups whose names fall into this core's shards and whose members share
// partitions: who is in them (volatile), that they exist and how they are set (durable). What they
// have read is with the topics (ShareCursors), wherever those are.
//
// Owner: Groups. `done` closures run on this core, from inside the call or later.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/consumer_groups.h"
#include "model/share_group.h"

namespace trv::broker {

class ShareGroups {
 public:
  explicit ShareGroups(Broker& broker);
  ~ShareGroups();
  void stop();

  struct Answer {
    model::ShareAnswer answer;
    std::string message;  // with an error
    Commit shown;
  };
  using OnAnswered = UniqueFunction<void(Answer)>;
  // The member is dropped when nothing is heard of it for `session_timeout`. A first join makes the
  // group.
  void heartbeat(const std::string& group, model::ShareHeartbeat request,
                 std::chrono::milliseconds session_timeout, ConsumerGroups::Shown shown,
                 OnAnswered done);

  // Makes the group without a member. Errors: already_exists, wrong_type (one of another kind has
  // the name), no_space, io_error.
  Result<Commit> create(const std::string& group);
  bool exists(std::string_view group) const;
  bool has_members(std::string_view group) const { return !group_of(group).members().empty(); }
  // An empty one when there is none. Valid until the closure returns.
  const model::ShareGroup& group_of(std::string_view group) const;
  std::vector<std::string> names() const;
  // Covers all that the groups of this core have gone through so far.
  Commit last_change() const;

  // As given, also for groups that do not exist yet. Valid until the closure returns.
  const model::ShareGroupRecords::Settings& settings(std::string_view group) const;
  std::vector<std::string> names_with_settings() const;
  // Errors: no_space, io_error.
  Result<Commit> set_settings(const std::string& group,
                              const model::ShareGroupRecords::Settings& settings);

  // The group and all that it has read; done when that is durable. Errors: not_found, in_use (it
  // has members), no_space, io_error.
  void remove(const std::string& group, UniqueFunction<void(Status)> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
