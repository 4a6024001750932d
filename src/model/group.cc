#include "model/group.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::model {

namespace {

bool is_legal_move(Group::State from, Group::State to) {
  using enum Group::State;
  switch (from) {
    case empty:
      return to == preparing_rebalance || to == dead;
    case preparing_rebalance:
      return to == completing_rebalance || to == empty || to == dead;
    case completing_rebalance:
      return to == stable || to == preparing_rebalance;
    case stable:
      return to == preparing_rebalance;
    case dead:
      return false;
  }
  return false;
}

}  // namespace

const std::string* Group::Member::metadata_for(std::string_view protocol) const {
  for (const GroupProtocol& candidate : protocols) {
    if (candidate.name == protocol) return &candidate.metadata;
  }
  return nullptr;
}

void Group::become(State next) {
  TRV_ASSERT(is_legal_move(state_, next));
  state_ = next;
}

std::string_view Group::state_name() const {
  switch (state_) {
    case State::empty:
      return "Empty";
    case State::preparing_rebalance:
      return "PreparingRebalance";
    case State::completing_rebalance:
      return "CompletingRebalance";
    case State::stable:
      return "Stable";
    case State::dead:
      return "Dead";
  }
  return "Dead";
}

// --- joining ------------------------------------------------------------------------------------

GroupEffects Group::join(JoinRequest request, Moment now) {
  GroupEffects effects;
  GroupError error = check_new_member(request);
  if (error != GroupError::none) {
    refuse_join(request, error, effects);
  } else if (request.member_id.empty()) {
    join_new(request, now, effects);
  } else {
    join_known(request, now, effects);
  }
  return effects;
}

GroupError Group::check_new_member(const JoinRequest& request) const {
  if (state_ == State::dead) return GroupError::unavailable;
  if (request.session_timeout < limits_.session_timeout_min ||
      request.session_timeout > limits_.session_timeout_max) {
    return GroupError::invalid_session_timeout;
  }
  return check_protocols(request);
}

// There must be a protocol that the request and all other members know. This keeps the belief that
// choose_protocol() always finds one: members that leave only widen the choice.
GroupError Group::check_protocols(const JoinRequest& request) const {
  if (request.protocol_type.empty() || request.protocols.empty()) {
    return GroupError::inconsistent_protocol;
  }
  if (members_.empty()) return GroupError::none;
  if (request.protocol_type != protocol_type_) return GroupError::inconsistent_protocol;
  auto self = members_.find(request.member_id);
  if (self == members_.end() && request.instance_id) {
    auto instance = instances_.find(*request.instance_id);
    if (instance != instances_.end()) self = members_.find(instance->second);
  }
  for (const GroupProtocol& protocol : request.protocols) {
    bool common = true;
    for (auto it = members_.begin(); it != members_.end() && common; ++it) {
      common = it == self || it->second.metadata_for(protocol.name) != nullptr;
    }
    if (common) return GroupError::none;
  }
  return GroupError::inconsistent_protocol;
}

GroupError Group::check_member(const GroupMemberName& name) const {
  if (name.instance_id) {
    auto it = instances_.find(*name.instance_id);
    if (it == instances_.end()) return GroupError::unknown_member;
    if (it->second != name.member_id && !TRV_MUTANT(replaced_static_member_not_fenced))
      return GroupError::fenced_instance;
    return GroupError::none;
  }
  return members_.contains(name.member_id) ? GroupError::none : GroupError::unknown_member;
}

bool Group::room_for(const std::string& member_id) const {
  if (TRV_MUTANT(group_size_unchecked)) return true;
  return reserved_.contains(member_id) || members_.size() + reserved_.size() < limits_.members_max;
}

void Group::refuse_join(const JoinRequest& request, GroupError error, GroupEffects& effects) {
  JoinReply reply;
  reply.waiter = request.waiter;
  reply.error = error;
  reply.member_id = request.member_id;
  effects.joins.push_back(std::move(reply));
}

void Group::join_new(JoinRequest& request, Moment now, GroupEffects& effects) {
  TRV_ASSERT(!request.fresh_member_id.empty());
  TRV_ASSERT(!members_.contains(request.fresh_member_id));
  if (request.instance_id) {
    auto known = instances_.find(*request.instance_id);
    if (known != instances_.end()) {
      std::string old_id = known->second;
      replace_static(old_id, request, now, effects);
      return;
    }
  }
  if (!room_for(request.fresh_member_id)) {
    refuse_join(request, GroupError::group_full, effects);
    return;
  }
  if (request.reserve_member_id && !request.instance_id) {
    reserved_.insert_or_assign(request.fresh_member_id, now + request.session_timeout);
    JoinReply reply;
    reply.waiter = request.waiter;
    reply.error = GroupError::member_id_required;
    reply.member_id = request.fresh_member_id;
    effects.joins.push_back(std::move(reply));
    return;
  }
  add_member(request.fresh_member_id, request, now, effects);
}

void Group::join_known(JoinRequest& request, Moment now, GroupEffects& effects) {
  auto reservation = reserved_.find(request.member_id);
  if (reservation != reserved_.end() && !request.instance_id) {
    reserved_.erase(reservation);
    add_member(request.member_id, request, now, effects);
    return;
  }
  GroupError error = check_member({request.member_id, request.instance_id});
  if (error != GroupError::none) {
    refuse_join(request, error, effects);
    return;
  }
  rejoin(request, now, effects);
}

void Group::add_member(const std::string& id, JoinRequest& request, Moment now,
                       GroupEffects& effects) {
  if (members_.empty()) protocol_type_ = request.protocol_type;
  Member member;
  member.joined_order = next_joined_order_++;
  member.instance_id = request.instance_id;
  if (member.instance_id) instances_.emplace(*member.instance_id, id);
  Member& added = members_.emplace(id, std::move(member)).first->second;
  update_member(added, request, now, effects);
  added.session_deadline = now + limits_.first_join_timeout;
  if (state_ == State::preparing_rebalance) {
    round_->joined_since = true;
    end_round_if_all_joined(now, effects);
  } else {
    start_round(now, effects);
  }
}

// Takes over what the request says about the member and lets it wait for the round's end.
void Group::update_member(Member& member, JoinRequest& request, Moment now, GroupEffects& effects) {
  // A second join of the same member: whoever waits on the first one is answered, so that no
  // connection is stuck behind a request that nobody will complete.
  answer_waiters(request.member_id, member, GroupError::rebalance_in_progress, effects);
  member.client_id = std::move(request.client_id);
  member.client_host = std::move(request.client_host);
  member.session_timeout = request.session_timeout;
  member.rebalance_timeout = request.rebalance_timeout;
  member.protocols = std::move(request.protocols);
  member.join_waiter = request.waiter;
  touch(member, now);
}

void Group::rejoin(JoinRequest& request, Moment now, GroupEffects& effects) {
  Member& member = members_.at(request.member_id);
  bool unchanged = member.protocols == request.protocols;
  bool current = false;  // the present generation is an answer
  switch (state_) {
    case State::preparing_rebalance:
      update_member(member, request, now, effects);
      end_round_if_all_joined(now, effects);
      return;
    case State::completing_rebalance:
      // The reply that made this generation may have been lost.
      current = unchanged;
      break;
    case State::stable:
      // A leader joins again because it saw a change (partitions, metadata): that is a new round.
      current = unchanged && request.member_id != leader_;
      break;
    case State::empty:
    case State::dead:
      TRV_ASSERT(false);  // there are no members then
  }
  if (current) {
    member.join_waiter = request.waiter;
    reply_join(request.member_id, member, effects);
    touch(member, now);
    return;
  }
  update_member(member, request, now, effects);
  start_round(now, effects);
}

// A static member came back under a new member id: it keeps its place and its assignment.
void Group::replace_static(const std::string& old_id, JoinRequest& request, Moment now,
                           GroupEffects& effects) {
  const std::string new_id = request.fresh_member_id;
  bool may_skip = request.may_skip_assignment;
  auto node = members_.extract(old_id);
  TRV_ASSERT(!node.empty());
  answer_waiters(old_id, node.mapped(), GroupError::fenced_instance, effects);
  node.key() = new_id;
  Member& member = members_.insert(std::move(node)).position->second;
  instances_.at(*member.instance_id) = new_id;
  bool was_leader = leader_ == old_id;
  if (was_leader) leader_ = new_id;
  update_member(member, request, now, effects);

  if (state_ == State::preparing_rebalance) {
    end_round_if_all_joined(now, effects);
    return;
  }
  if (state_ != State::stable || choose_protocol() != protocol_name_) {
    start_round(now, effects);
    return;
  }
  reply_join(new_id, member, effects);
  JoinReply& reply = effects.joins.back();
  if (was_leader && may_skip) {
    reply.skip_assignment = true;
  } else if (was_leader) {
    // An older client would assign anew as leader; told of another leader it only fetches its own
    // assignment.
    reply.leader = old_id;
    reply.members.clear();
  }
}

// --- replies ------------------------------------------------------------------------------------

// Tells the waiting member about the present generation.
void Group::reply_join(const std::string& id, Member& member, GroupEffects& effects) {
  JoinReply reply;
  reply.waiter = *std::exchange(member.join_waiter, std::nullopt);
  reply.generation = generation_;
  reply.protocol_type = protocol_type_;
  reply.protocol_name = protocol_name_;
  reply.leader = leader_;
  reply.member_id = id;
  if (id == leader_) {
    reply.members.reserve(members_.size());
    for (const auto& [other_id, other] : members_) {
      const std::string* metadata = other.metadata_for(protocol_name_);
      reply.members.push_back(
          {other_id, other.instance_id, metadata != nullptr ? *metadata : std::string()});
    }
  }
  effects.joins.push_back(std::move(reply));
}

void Group::reply_syncs(GroupError error, Moment now, GroupEffects& effects) {
  for (auto& [id, member] : members_) {
    if (!member.sync_waiter) continue;
    SyncReply reply;
    reply.waiter = *std::exchange(member.sync_waiter, std::nullopt);
    reply.error = error;
    if (error == GroupError::none) {
      reply.protocol_type = protocol_type_;
      reply.protocol_name = protocol_name_;
      reply.assignment = member.assignment;
    }
    touch(member, now);
    effects.syncs.push_back(std::move(reply));
  }
}

void Group::answer_waiters(const std::string& id, Member& member, GroupError error,
                           GroupEffects& effects) {
  if (member.join_waiter) {
    JoinReply reply;
    reply.waiter = *std::exchange(member.join_waiter, std::nullopt);
    reply.error = error;
    reply.member_id = id;
    effects.joins.push_back(std::move(reply));
  }
  if (member.sync_waiter) {
    SyncReply reply;
    reply.waiter = *std::exchange(member.sync_waiter, std::nullopt);
    reply.error = error;
    effects.syncs.push_back(std::move(reply));
  }
}

// --- syncing and staying ------------------------------------------------------------------------

GroupEffects Group::sync(SyncRequest request, Moment now) {
  GroupEffects effects;
  auto refuse = [&](GroupError error) {
    SyncReply reply;
    reply.waiter = request.waiter;
    reply.error = error;
    effects.syncs.push_back(std::move(reply));
  };
  GroupError error = state_ == State::dead ? GroupError::unavailable
                                           : check_member({request.member_id, request.instance_id});
  if (error == GroupError::none && request.generation != generation_) {
    error = GroupError::illegal_generation;
  }
  if (error == GroupError::none && state_ == State::preparing_rebalance) {
    error = GroupError::rebalance_in_progress;
  }
  if (error == GroupError::none &&
      ((request.protocol_type && *request.protocol_type != protocol_type_) ||
       (request.protocol_name && *request.protocol_name != protocol_name_))) {
    error = GroupError::inconsistent_protocol;
  }
  if (error != GroupError::none) {
    refuse(error);
    return effects;
  }
  Member& member = members_.at(request.member_id);
  answer_waiters(request.member_id, member, GroupError::rebalance_in_progress, effects);
  member.sync_waiter = request.waiter;
  member.owes_sync = false;
  touch(member, now);
  if (state_ == State::completing_rebalance && request.member_id == leader_) {
    for (auto& [id, bytes] : request.assignments) {
      auto it = members_.find(id);
      if (it != members_.end()) it->second.assignment = std::move(bytes);
    }
    become(State::stable);
  }
  if (state_ == State::stable) reply_syncs(GroupError::none, now, effects);
  if (std::none_of(members_.begin(), members_.end(),
                   [](const auto& entry) { return entry.second.owes_sync; })) {
    sync_deadline_.reset();
  }
  return effects;
}

GroupError Group::heartbeat(const GroupMemberName& name, std::int32_t generation, Moment now) {
  if (state_ == State::dead) return GroupError::unavailable;
  GroupError error = check_member(name);
  if (error != GroupError::none) return error;
  if (generation != generation_) return GroupError::illegal_generation;
  touch(members_.at(name.member_id), now);
  return state_ == State::preparing_rebalance ? GroupError::rebalance_in_progress
                                              : GroupError::none;
}

GroupError Group::check_commit(const GroupMemberName& name, std::int32_t generation, Commit kind,
                               Moment now) {
  if (state_ == State::dead) return GroupError::unavailable;
  // Consumers that assign to themselves may have a name though they are no members.
  if (generation < 0 && members_.empty()) return GroupError::none;
  if (generation < 0 && name.member_id.empty() && !name.instance_id) {
    return kind == Commit::transactional ? GroupError::none : GroupError::unknown_member;
  }
  GroupError error = check_member(name);
  if (error != GroupError::none) return error;
  if (generation != generation_ && !TRV_MUTANT(commit_of_old_generation_accepted))
    return GroupError::illegal_generation;
  if (kind == Commit::transactional) return GroupError::none;
  touch(members_.at(name.member_id), now);
  // The partitions of the new generation are not given out yet; the member's old ones may already
  // be somebody else's.
  return state_ == State::completing_rebalance ? GroupError::rebalance_in_progress
                                               : GroupError::none;
}

// --- leaving ------------------------------------------------------------------------------------

GroupError Group::leave(const GroupMemberName& name, Moment now, GroupEffects& effects) {
  if (state_ == State::dead) return GroupError::unavailable;
  GroupMemberName full = name;
  if (full.instance_id && full.member_id.empty()) {
    auto it = instances_.find(*full.instance_id);
    if (it == instances_.end()) return GroupError::unknown_member;
    full.member_id = it->second;
  }
  if (!full.instance_id && reserved_.erase(full.member_id) > 0) {
    if (state_ == State::preparing_rebalance) end_round_if_all_joined(now, effects);
    return GroupError::none;
  }
  GroupError error = check_member(full);
  if (error != GroupError::none) return error;
  remove_member(members_.find(full.member_id), GroupError::unknown_member, now, effects);
  return GroupError::none;
}

void Group::remove_member(Members::iterator it, GroupError tell, Moment now,
                          GroupEffects& effects) {
  TRV_ASSERT(it != members_.end());
  answer_waiters(it->first, it->second, tell, effects);
  if (it->second.instance_id) instances_.erase(*it->second.instance_id);
  members_.erase(it);
  if (state_ == State::preparing_rebalance) {
    end_round_if_all_joined(now, effects);
  } else {
    start_round(now, effects);
  }
}

GroupError Group::remove() {
  if (state_ == State::dead) return GroupError::unavailable;
  if (!members_.empty()) return GroupError::group_not_empty;
  reserved_.clear();
  round_.reset();
  become(State::dead);
  return GroupError::none;
}

// --- time ---------------------------------------------------------------------------------------

void Group::touch(Member& member, Moment now) const {
  if (member.first_join) return;  // has its own, longer deadline
  member.session_deadline = now + member.session_timeout;
}

// When the member is dropped if nothing comes from it; a member whose request waits here is alive.
std::optional<Moment> Group::session_end(const Member& member) const {
  if (TRV_MUTANT(silent_member_stays)) return std::nullopt;
  if (!member.first_join && is_waiting(member)) return std::nullopt;
  return member.session_deadline;
}

std::optional<Moment> Group::next_deadline() const {
  std::optional<Moment> earliest;
  auto consider = [&](Moment moment) {
    if (!earliest || moment < *earliest) earliest = moment;
  };
  for (const auto& [id, member] : members_) {
    if (auto end = session_end(member)) consider(*end);
  }
  for (const auto& [id, deadline] : reserved_) consider(deadline);
  if (round_) consider(round_->deadline);
  if (sync_deadline_) consider(*sync_deadline_);
  return earliest;
}

GroupEffects Group::tick(Moment now) {
  GroupEffects effects;
  if (state_ == State::dead) return effects;
  bool freed = std::erase_if(reserved_, [&](const auto& entry) { return entry.second <= now; }) > 0;
  if (freed && state_ == State::preparing_rebalance) end_round_if_all_joined(now, effects);

  // Ids first: dropping a member may end a round, which renews the others' sessions.
  std::vector<std::string> late;
  bool sync_is_over = sync_deadline_ && *sync_deadline_ <= now;
  for (const auto& [id, member] : members_) {
    auto end = session_end(member);
    if ((end && *end <= now) || (sync_is_over && member.owes_sync)) late.push_back(id);
  }
  for (const std::string& id : late) {
    auto it = members_.find(id);
    if (it == members_.end()) continue;
    remove_member(it, GroupError::unknown_member, now, effects);
  }
  if (round_ && round_->deadline <= now) on_round_deadline(now, effects);
  return effects;
}

GroupDescription Group::describe() const {
  GroupDescription description;
  description.state = state_name();
  description.protocol_type = protocol_type_;
  bool stable = state_ == State::stable;
  if (stable) description.protocol_name = protocol_name_;
  description.members.reserve(members_.size());
  for (const auto& [id, member] : members_) {
    const std::string* metadata = stable ? member.metadata_for(protocol_name_) : nullptr;
    description.members.push_back({id, member.instance_id, member.client_id, member.client_host,
                                   metadata != nullptr ? *metadata : std::string(),
                                   stable ? member.assignment : std::string()});
  }
  return description;
}

}  // namespace trv::model
