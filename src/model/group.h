// Group: the membership of one classic consumer group: who is in it, which generation it is in, and
// which assignment its leader gave to whom.
//
// Owner: the broker's group table, on the shard of the group's name; lives until the group is
// deleted or idle. Not durable: after a restart every member is unknown and joins again.
//
// Clients drive it: they join (and wait until everybody has), the leader computes the assignment,
// all sync (and wait for the leader), then heartbeat. Whatever changes the membership starts a new
// round. Source of the rules: KAFKA.md section 9, KIP-62, KIP-345, KIP-394.
//
// Invariants:
//   - the generation only grows, by one for each finished round;
//   - at most one join and one sync of a member wait at any time, and every request is answered by
//     exactly one reply, at once or in the effects of a later call;
//   - in Stable and CompletingRebalance there is a leader, and it is a member;
//   - all replies of one generation name the same protocol and leader.
//
// Pure: time is an argument and only moves forward; new member ids are made by the caller. After
// each call the caller delivers the Effects and arms its timer for next_deadline().
// Members' metadata and assignments are opaque here.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trv::model {

using Moment = std::chrono::steady_clock::time_point;

enum class GroupError : std::uint8_t {
  none,
  unknown_member,           // not a member (any more): join with an empty id
  illegal_generation,       // the member speaks of another generation
  inconsistent_protocol,    // no protocol in common with the others, or another protocol type
  rebalance_in_progress,    // join again
  member_id_required,       // join again with the id in the reply
  fenced_instance,          // another process took over this static member
  group_full,               // limits.members_max
  invalid_session_timeout,  // outside the limits
  unavailable,              // the group is being deleted: look the coordinator up again
  group_not_empty,          // only empty groups may be deleted
  // Of groups whose partitions the broker assigns (model/consumer_group.h):
  invalid_request,   // a part is missing, too much or too large
  fenced_epoch,      // give everything up and join again
  stale_epoch,       // the member has another epoch by now: ask again with that
  instance_in_use,   // another member has this instance id
  unknown_assignor,  // not one of ours
  invalid_pattern,   // not a regular expression
  other_protocol,    // the group is one of the other kind, or does not exist
  epoch_required,    // the request is older than such groups
};

struct GroupLimits {
  std::size_t members_max = 10'000;  // joined and reserved together
  std::chrono::milliseconds session_timeout_min{6'000};
  std::chrono::milliseconds session_timeout_max{1'800'000};
  std::chrono::milliseconds initial_rebalance_delay{3'000};
  // How long a member may wait in its first join before it is dropped: its client may be gone.
  std::chrono::milliseconds first_join_timeout{300'000};
};

// Names one waiting request; chosen by the caller, echoed in the reply.
using WaiterId = std::uint64_t;

struct GroupProtocol {
  std::string name;
  std::string metadata;
  bool operator==(const GroupProtocol&) const = default;
};

struct JoinRequest {
  WaiterId waiter = 0;
  std::string member_id;        // empty: not a member yet
  std::string fresh_member_id;  // unused so far; taken when a member is created
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  std::chrono::milliseconds session_timeout{0};
  std::chrono::milliseconds rebalance_timeout{0};
  std::string protocol_type;
  std::vector<GroupProtocol> protocols;  // best first
  bool reserve_member_id = false;        // the client knows the two-step join
  bool may_skip_assignment = false;      // the client knows JoinReply::skip_assignment
};

struct JoinReply {
  struct Member {
    std::string member_id;
    std::optional<std::string> instance_id;
    std::string metadata;
  };
  WaiterId waiter = 0;
  GroupError error = GroupError::none;
  std::int32_t generation = -1;
  std::string protocol_type;
  std::string protocol_name;
  std::string leader;
  std::string member_id;
  bool skip_assignment = false;  // leader of an unchanged generation: do not assign again
  std::vector<Member> members;   // only for the leader
};

struct SyncRequest {
  WaiterId waiter = 0;
  std::string member_id;
  std::optional<std::string> instance_id;
  std::int32_t generation = -1;
  std::optional<std::string> protocol_type;  // checked when given
  std::optional<std::string> protocol_name;
  std::vector<std::pair<std::string, std::string>> assignments;  // member id, bytes; leader only
};

struct SyncReply {
  WaiterId waiter = 0;
  GroupError error = GroupError::none;
  std::string protocol_type;
  std::string protocol_name;
  std::string assignment;
};

struct GroupEffects {
  std::vector<JoinReply> joins;
  std::vector<SyncReply> syncs;
};

struct GroupMemberName {
  std::string member_id;  // may be empty when an instance id is given
  std::optional<std::string> instance_id;
};

struct GroupDescription {
  struct Member {
    std::string member_id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    std::string metadata;    // of the chosen protocol; empty unless Stable
    std::string assignment;  // empty unless Stable
  };
  std::string_view state;
  std::string protocol_type;
  std::string protocol_name;  // empty unless Stable
  std::vector<Member> members;
};

class Group {
 public:
  enum class State : std::uint8_t {
    empty,                 // no members; committed offsets may exist
    preparing_rebalance,   // waiting for all members to join the next generation
    completing_rebalance,  // the generation is made; waiting for the leader's assignment
    stable,                // everybody can get an assignment
    dead,                  // deleted; refuses everything
  };

  explicit Group(GroupLimits limits) : limits_(limits) {}

  GroupEffects join(JoinRequest request, Moment now);
  GroupEffects sync(SyncRequest request, Moment now);
  GroupError heartbeat(const GroupMemberName& member, std::int32_t generation, Moment now);
  // One member; the caller loops over a list and collects errors.
  GroupError leave(const GroupMemberName& member, Moment now, GroupEffects& effects);
  // Drops whoever's time is up and ends rounds that waited long enough.
  GroupEffects tick(Moment now);
  // When to call tick() at the latest. heartbeat() and check_commit() only move it further away, so
  // the caller need not look after them: a tick that comes too early does nothing.
  std::optional<Moment> next_deadline() const;

  // May this member commit offsets? A generation of -1 is a committer outside the membership: for
  // groups without members. A transactional commit is checked against the member only.
  enum class Commit : bool { plain, transactional };
  GroupError check_commit(const GroupMemberName& member, std::int32_t generation, Commit kind,
                          Moment now);

  // To dead. Errors: group_not_empty, unavailable.
  GroupError remove();

  State state() const { return state_; }
  std::string_view state_name() const;
  std::int32_t generation() const { return generation_; }
  const std::string& protocol_type() const { return protocol_type_; }
  const std::string& leader() const { return leader_; }
  std::size_t member_count() const { return members_.size(); }
  // No members, joined or reserved: the owner may forget it (offsets live elsewhere).
  bool idle() const { return members_.empty() && reserved_.empty(); }
  GroupDescription describe() const;

 private:
  struct Member {
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    std::chrono::milliseconds session_timeout{0};
    std::chrono::milliseconds rebalance_timeout{0};
    std::vector<GroupProtocol> protocols;
    std::string assignment;
    std::uint64_t joined_order = 0;  // the oldest member becomes leader
    std::optional<WaiterId> join_waiter;
    std::optional<WaiterId> sync_waiter;
    bool first_join = true;  // has not been in any generation yet
    bool owes_sync = false;  // has not synced in this generation
    Moment session_deadline;

    const std::string* metadata_for(std::string_view protocol) const;
  };
  using Members = std::map<std::string, Member>;

  // The round that forms the next generation; exists only while preparing.
  struct Round {
    Moment deadline;
    bool initial = false;  // of a group that was empty: waits for company until the deadline
    bool joined_since = false;
    std::chrono::milliseconds extension_left{0};
  };

  void become(State next);
  GroupError check_new_member(const JoinRequest& request) const;
  GroupError check_protocols(const JoinRequest& request) const;
  GroupError check_member(const GroupMemberName& name) const;
  bool room_for(const std::string& member_id) const;

  void join_new(JoinRequest& request, Moment now, GroupEffects& effects);
  void join_known(JoinRequest& request, Moment now, GroupEffects& effects);
  void add_member(const std::string& id, JoinRequest& request, Moment now, GroupEffects& effects);
  void update_member(Member& member, JoinRequest& request, Moment now, GroupEffects& effects);
  void replace_static(const std::string& old_id, JoinRequest& request, Moment now,
                      GroupEffects& effects);
  void rejoin(JoinRequest& request, Moment now, GroupEffects& effects);
  void remove_member(Members::iterator it, GroupError tell, Moment now, GroupEffects& effects);

  void start_round(Moment now, GroupEffects& effects);
  void end_round_if_all_joined(Moment now, GroupEffects& effects);
  void on_round_deadline(Moment now, GroupEffects& effects);
  void end_round(Moment now, GroupEffects& effects);
  bool elect_leader();
  std::string choose_protocol() const;
  bool all_support(std::string_view protocol) const;

  void reply_join(const std::string& id, Member& member, GroupEffects& effects);
  void reply_syncs(GroupError error, Moment now, GroupEffects& effects);
  void answer_waiters(const std::string& id, Member& member, GroupError error,
                      GroupEffects& effects);
  static void refuse_join(const JoinRequest& request, GroupError error, GroupEffects& effects);
  static bool is_waiting(const Member& member) { return member.join_waiter || member.sync_waiter; }
  std::optional<Moment> session_end(const Member& member) const;
  std::chrono::milliseconds rebalance_timeout_max() const;
  void touch(Member& member, Moment now) const;

  GroupLimits limits_;
  State state_ = State::empty;
  std::int32_t generation_ = 0;
  std::string protocol_type_;
  std::string protocol_name_;
  std::string leader_;
  Members members_;
  std::unordered_map<std::string, std::string> instances_;  // instance id -> member id
  std::map<std::string, Moment> reserved_;                  // ids given out, not joined yet
  std::optional<Round> round_;
  std::optional<Moment> sync_deadline_;  // for the members that owe a sync
  std::uint64_t next_joined_order_ = 1;
};

}  // namespace trv::model
