// Groups: the consumer groups whose names fall into this core's shards: who is in them (volatile)
// and how far they have read (durable).
//
// Owner: the core's Broker. Membership rules are model::Group's, one object for each group that has
// members; offsets are model::GroupOffsets', one object a shard. What clients wait for is answered
// through the closures they left, on this core, from inside a later call or a timer.
//
// Invariants:
//   - every join and sync is answered exactly once, unless the broker stops before;
//   - an offset that find_offsets() shows may be spoken of once `shown` is durable.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/broker.h"
#include "broker/consumer_groups.h"
#include "broker/share_cursors.h"
#include "broker/share_groups.h"
#include "model/group.h"
#include "model/group_offsets.h"

namespace trv::broker {

template <class State>
class Feeds;

class Groups {
 public:
  explicit Groups(Broker& broker);
  ~Groups();
  // After recovery.
  void start();
  void stop();

  // --- membership ------------------------------------------------------------------------------
  using OnJoined = UniqueFunction<void(model::JoinReply)>;
  using OnSynced = UniqueFunction<void(model::SyncReply)>;
  // The request's waiter and fresh member id are chosen here.
  void join(const std::string& group, model::JoinRequest request, OnJoined done);
  void sync(const std::string& group, model::SyncRequest request, OnSynced done);
  model::GroupError heartbeat(const std::string& group, const model::GroupMemberName& member,
                              std::int32_t generation);
  // One result for each member.
  std::vector<model::GroupError> leave(const std::string& group,
                                       std::span<const model::GroupMemberName> members);

  // --- offsets ---------------------------------------------------------------------------------
  struct Committer {
    model::GroupMemberName member;
    std::int32_t generation = -1;  // or the member's epoch
    bool knows_epochs = false;     // of members of groups that the broker assigns
  };
  struct Refused {
    model::GroupError error = model::GroupError::none;  // the group's, or
    std::optional<Error> failure;  // overloaded, no_space, fenced, invalid_state
  };
  // What was committed, or why not.
  using Committed = std::variant<Commit, Refused>;
  Committed commit_offsets(const std::string& group, const Committer& committer,
                           const std::vector<model::OffsetCommit>& offsets);
  // The same within a transaction: hidden until it commits.
  Committed commit_pending(const std::string& group, const Committer& committer,
                           ProducerId producer, std::int16_t epoch,
                           const std::vector<model::OffsetCommit>& offsets);

  struct FoundOffset {
    model::GroupPartition partition;
    std::optional<model::CommittedOffset> committed;
    bool unstable = false;  // a transaction that has not ended holds a newer one
  };
  struct FoundOffsets {
    std::vector<FoundOffset> offsets;
    Commit shown;
  };
  // A group that the broker assigns shows its offsets to members with their present epoch, and to
  // those who do not say that they are members.
  model::GroupError check_fetch(const std::string& group,
                                const std::optional<std::string>& member_id,
                                std::int32_t epoch) const;
  // Those asked for, or all when nothing is asked for.
  FoundOffsets find_offsets(const std::string& group,
                            const std::optional<std::vector<model::GroupPartition>>& asked);

  // --- transactions (called by Transactions) -----------------------------------------------------
  void expect_transaction(const std::string& group, ProducerId producer, std::int16_t epoch);
  Result<Commit> end_transaction(const std::string& group, ProducerId producer, bool commit);

  // Changes of committed offsets.
  Feeds<model::GroupOffsets>& offset_feeds();

  // --- looking and deleting ----------------------------------------------------------------------
  // Groups whose partitions the broker assigns.
  ConsumerGroups& consumers();
  // Groups whose members share partitions, and what they have read of this core's topics.
  ShareGroups& shares();
  ShareCursors& share_cursors();
  // It has members, or offsets, that are not those of a share group.
  bool is_of_other_kind(std::string_view group) const;
  // It has, or is about to have, members that assign partitions among themselves.
  bool is_classic(std::string_view group) const;
  // Tells from when on the offsets of a group age. Nobody waits for it.
  void set_occupancy(const std::string& group, bool occupied);

  // Nothing when the group has neither members nor offsets, or is not a classic one.
  std::optional<model::GroupDescription> describe(const std::string& group) const;
  struct Listed {
    std::string group;
    std::string protocol_type;
    std::string state;
    enum class Kind : std::uint8_t {
      classic,   // members assign the partitions
      consumer,  // one of consumers()
      share,     // one of shares()
    };
    Kind kind = Kind::classic;
  };
  std::vector<Listed> list() const;
  // The committed offsets of these partitions, as far as there are any; who may want them still is
  // for the caller to know. Errors: no_space.
  Result<Commit> forget_offsets(const std::string& group,
                                const std::vector<model::GroupPartition>& partitions);
  // Of all groups but those of shares(). Errors: not_found, in_use (it has members), no_space.
  Result<Commit> remove(const std::string& group);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
