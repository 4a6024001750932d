// The rounds that form a group's generations: see model/group.h.
#include <algorithm>

#include "base/assert.h"
#include "model/group.h"

namespace trv::model {

void Group::start_round(Moment now, GroupEffects& effects) {
  if (state_ == State::completing_rebalance) {
    for (auto& [id, member] : members_) member.assignment.clear();
    reply_syncs(GroupError::rebalance_in_progress, now, effects);
  }
  for (auto& [id, member] : members_) member.owes_sync = false;
  sync_deadline_.reset();

  Round round;
  auto timeout = rebalance_timeout_max();
  if (state_ == State::empty) {
    auto delay = std::min(limits_.initial_rebalance_delay, timeout);
    round.initial = true;
    round.deadline = now + delay;
    round.extension_left = timeout - delay;
  } else {
    round.deadline = now + timeout;
  }
  round_ = round;
  become(State::preparing_rebalance);
  end_round_if_all_joined(now, effects);
}

void Group::end_round_if_all_joined(Moment now, GroupEffects& effects) {
  if (round_->initial && now < round_->deadline) return;
  if (!reserved_.empty()) return;
  for (const auto& [id, member] : members_) {
    if (!member.join_waiter) return;
  }
  end_round(now, effects);
}

void Group::on_round_deadline(Moment now, GroupEffects& effects) {
  bool extend = round_->initial && round_->joined_since && round_->extension_left.count() > 0;
  if (!extend) {
    end_round(now, effects);
    return;
  }
  auto delay = std::min(limits_.initial_rebalance_delay, round_->extension_left);
  round_->joined_since = false;
  round_->extension_left -= delay;
  round_->deadline = now + delay;
}

void Group::end_round(Moment now, GroupEffects& effects) {
  // Static members that did not come back in time keep their place until their session ends.
  std::erase_if(members_, [](const auto& entry) {
    return !entry.second.join_waiter && !entry.second.instance_id;
  });
  if (!members_.empty() && !elect_leader()) {
    round_->initial = false;
    round_->deadline = now + rebalance_timeout_max();
    return;
  }
  round_.reset();
  ++generation_;
  if (members_.empty()) {
    leader_.clear();
    protocol_name_.clear();
    become(State::empty);
    return;
  }
  protocol_name_ = choose_protocol();
  become(State::completing_rebalance);
  sync_deadline_ = now + rebalance_timeout_max();
  for (auto& [id, member] : members_) {
    member.assignment.clear();
    member.owes_sync = true;
    if (!member.join_waiter) continue;
    member.first_join = false;
    reply_join(id, member, effects);
    touch(member, now);
  }
}

// The leader stays if it joined; else the oldest member that joined takes over.
bool Group::elect_leader() {
  auto leader = members_.find(leader_);
  if (leader != members_.end() && leader->second.join_waiter) return true;
  auto best = members_.end();
  for (auto it = members_.begin(); it != members_.end(); ++it) {
    if (!it->second.join_waiter) continue;
    if (best == members_.end() || it->second.joined_order < best->second.joined_order) best = it;
  }
  if (best == members_.end()) return false;
  leader_ = best->first;
  return true;
}

bool Group::all_support(std::string_view protocol) const {
  return std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
    return entry.second.metadata_for(protocol) != nullptr;
  });
}

// Each member votes for the first of its protocols that all know; ties go to the leader's order.
std::string Group::choose_protocol() const {
  auto leader = members_.find(leader_);
  const Member& judge = leader != members_.end() ? leader->second : members_.begin()->second;
  std::vector<std::pair<std::string_view, int>> votes;  // in the judge's order
  for (const GroupProtocol& protocol : judge.protocols) {
    if (all_support(protocol.name)) votes.emplace_back(protocol.name, 0);
  }
  TRV_ASSERT(!votes.empty());
  for (const auto& [id, member] : members_) {
    for (const GroupProtocol& protocol : member.protocols) {
      auto it = std::find_if(votes.begin(), votes.end(),
                             [&](const auto& vote) { return vote.first == protocol.name; });
      if (it == votes.end()) continue;
      ++it->second;
      break;
    }
  }
  auto best = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
    return a.second < b.second;  // the first of equals wins
  });
  return std::string(best->first);
}

std::chrono::milliseconds Group::rebalance_timeout_max() const {
  std::chrono::milliseconds timeout{0};
  for (const auto& [id, member] : members_) timeout = std::max(timeout, member.rebalance_timeout);
  return timeout;
}

}  // namespace trv::model
