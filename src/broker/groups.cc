#include "broker/groups.h"

#include <algorithm>
#include <random>
#include <unordered_map>

#include "base/mutant.h"
#include "broker/entry.h"
#include "broker/feeds.h"
#include "broker/shard_state.h"

namespace trv::broker {
namespace {

using model::GroupError;
using model::GroupOffsets;

// As Kafka's offsets.retention.minutes.
constexpr std::chrono::hours offsets_retention(24 * 7);
constexpr std::chrono::minutes expiry_interval(10);
// Members that are still there after a restart have joined again by then.
constexpr std::chrono::minutes return_time(5);

}  // namespace

struct Groups::State {
  struct Live {
    explicit Live(model::GroupLimits limits) : group(limits) {}
    model::Group group;
    runtime::Timer timer;
  };

  explicit State(Broker& b)
      : broker(b),
        feeds(b, entry::group_offsets, &ShardState::group_offsets),
        random(std::random_device{}()),
        consumers(b),
        shares(b),
        share_cursors(b) {
    limits.initial_rebalance_delay = broker.options().group_initial_delay;
  }

  model::Group* find(std::string_view name) {
    auto it = live.find(name);
    return it == live.end() ? nullptr : &it->second->group;
  }
  GroupOffsets& offsets_of(std::string_view group) { return broker.shard(group).group_offsets; }

  Result<Commit> journal(const std::string& group, const std::string& command);
  std::string make_member_id(std::string_view client_id);
  void settle(const std::string& name, model::GroupEffects effects, std::size_t members_before);
  void arm(const std::string& name, Live& entry);
  void on_timer(const std::string& name);
  void set_occupancy(const std::string& name, bool occupied);
  GroupError check_commit(const std::string& name, const Committer& committer,
                          model::Group::Commit kind);
  GroupError check_consumer(const model::ConsumerGroup& group, const Committer& committer,
                            model::Group::Commit kind) const;
  bool make_classic(const std::string& name);
  void note_protocol(const std::string& name, const model::Group& group);
  std::string protocol_of(const std::string& name) const;
  void expire();
  void release_absent();

  Broker& broker;
  Feeds<GroupOffsets> feeds;
  model::GroupLimits limits;
  NameMap<std::unique_ptr<Live>> live;
  // Of groups with offsets whose members have left. It is told, and nothing more: a restart forgets
  // it.
  NameMap<std::string> protocols;
  model::WaiterId next_waiter = 1;
  std::unordered_map<model::WaiterId, OnJoined> joins;
  std::unordered_map<model::WaiterId, OnSynced> syncs;
  std::mt19937_64 random;
  ConsumerGroups consumers;
  ShareGroups shares;
  ShareCursors share_cursors;
  Commit last_change;  // of any offset on this core
  runtime::Timer expiry_timer;
  runtime::Timer return_timer;
};

Groups::Groups(Broker& broker) : state_(std::make_unique<State>(broker)) {}
Groups::~Groups() = default;

void Groups::start() {
  runtime::Core& core = state_->broker.core();
  state_->expiry_timer = core.schedule(expiry_interval, [this] { state_->expire(); });
  state_->return_timer = core.schedule(return_time, [this] { state_->release_absent(); });
  state_->consumers.start();
}

void Groups::stop() {
  state_->expiry_timer.cancel();
  state_->return_timer.cancel();
  state_->live.clear();
  state_->consumers.stop();
  state_->shares.stop();
  state_->share_cursors.stop();
}

ConsumerGroups& Groups::consumers() { return state_->consumers; }
ShareGroups& Groups::shares() { return state_->shares; }
ShareCursors& Groups::share_cursors() { return state_->share_cursors; }
Feeds<GroupOffsets>& Groups::offset_feeds() { return state_->feeds; }

bool Groups::is_of_other_kind(std::string_view group) const {
  return is_classic(group) || state_->consumers.find(group) != nullptr ||
         state_->offsets_of(group).contains(group);
}

bool Groups::is_classic(std::string_view group) const { return state_->find(group) != nullptr; }

void Groups::set_occupancy(const std::string& group, bool occupied) {
  state_->set_occupancy(group, occupied);
}

// --- the steps that all operations share --------------------------------------------------------

// Entry: the time (i64, little-endian), then a model::GroupOffsets command.
Result<Commit> Groups::State::journal(const std::string& group, const std::string& command) {
  const ShardId shard = broker.shard_of(group);
  if (Status begun = feeds.before_change(shard); !begun) return begun.error();
  WallTime now = broker.wall_now();
  char time[8];
  store_le(time, now.ms);
  const ByteView parts[] = {ByteView(time, sizeof time), command};
  // Consumers go on when the disk is full.
  auto kept = broker.journal(Space::less, entry::group_offsets, shard, parts);
  if (!kept) return kept.error();
  Status applied = offsets_of(group).apply(command, now);
  TRV_ASSERT(applied);
  feeds.after_change();
  last_change = broker.tail();
  return last_change;
}

std::string Groups::State::make_member_id(std::string_view client_id) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string id(client_id.empty() ? std::string_view("member") : client_id);
  id += '-';
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = random();
    for (int i = 0; i < 16; ++i, bits >>= 4) id += digits[bits & 15];
  }
  return id;
}

// The last act of each operation: what changed is noted, and only then is anybody answered, since
// an answer may lead to the next request.
void Groups::State::settle(const std::string& name, model::GroupEffects effects,
                           std::size_t members_before) {
  auto it = live.find(name);
  if (it != live.end()) {
    std::size_t members = it->second->group.member_count();
    if ((members == 0) != (members_before == 0)) set_occupancy(name, members > 0);
    if (it->second->group.idle()) {
      note_protocol(name, it->second->group);
      live.erase(it);
    } else {
      arm(name, *it->second);
    }
  }
  for (model::JoinReply& reply : effects.joins) {
    auto waiting = joins.extract(reply.waiter);
    TRV_ASSERT(!waiting.empty());
    waiting.mapped()(std::move(reply));
  }
  for (model::SyncReply& reply : effects.syncs) {
    auto waiting = syncs.extract(reply.waiter);
    TRV_ASSERT(!waiting.empty());
    waiting.mapped()(std::move(reply));
  }
}

void Groups::State::arm(const std::string& name, Live& entry) {
  std::optional<model::Moment> deadline = entry.group.next_deadline();
  if (!deadline) {
    entry.timer.cancel();
    return;
  }
  runtime::Duration delay =
      std::max<runtime::Duration>(*deadline - broker.core().now(), std::chrono::milliseconds(1));
  entry.timer = broker.core().schedule(delay, [this, name] { on_timer(name); });
}

void Groups::State::on_timer(const std::string& name) {
  model::Group* group = find(name);
  if (group == nullptr) return;
  std::size_t members_before = group->member_count();
  std::string held = name;  // the timer's own copy may end with the group
  settle(held, group->tick(broker.core().now()), members_before);
}

// Nobody waits for it: it only decides from when on the offsets age.
void Groups::State::set_occupancy(const std::string& name, bool occupied) {
  (void)journal(name, GroupOffsets::encode_occupancy(name, occupied));
}

void Groups::State::note_protocol(const std::string& name, const model::Group& group) {
  if (offsets_of(name).contains(name)) protocols[name] = group.protocol_type();
}

std::string Groups::State::protocol_of(const std::string& name) const {
  auto it = protocols.find(name);
  return it == protocols.end() ? std::string() : it->second;
}

void Groups::State::expire() {
  WallTime now = broker.wall_now();
  std::vector<GroupOffsets::Expired> all;
  broker.each_shard([&](ShardState& shard) {
    for (auto& expired : shard.group_offsets.expired(now, offsets_retention)) {
      all.push_back(std::move(expired));
    }
  });
  for (const GroupOffsets::Expired& expired : all) {
    (void)journal(expired.group, GroupOffsets::encode_forget(expired.group, expired.partitions));
  }
  for (const std::string& name : consumers.names()) {
    bool unused = !consumers.has_members(name) && !offsets_of(name).contains(name);
    if (unused) (void)consumers.forget(name);
  }
  std::erase_if(protocols,
                [this](const auto& one) { return !offsets_of(one.first).contains(one.first); });
  expiry_timer = broker.core().schedule(expiry_interval, [this] { expire(); });
}

void Groups::State::release_absent() {
  std::vector<std::string> absent;
  broker.each_shard([&](ShardState& shard) {
    for (std::string& name : shard.group_offsets.occupied_groups()) {
      if (find(name) == nullptr && !consumers.has_members(name)) absent.push_back(std::move(name));
    }
  });
  for (const std::string& name : absent) set_occupancy(name, false);
}

// A group without members may become one of the other kind.
bool Groups::State::make_classic(const std::string& name) {
  if (shares.exists(name) && !TRV_MUTANT(share_group_made_classic)) return false;
  if (consumers.find(name) == nullptr) return true;
  return !consumers.has_members(name) && consumers.forget(name).ok();
}

// --- membership ---------------------------------------------------------------------------------

void Groups::join(const std::string& name, model::JoinRequest request, OnJoined done) {
  if (!state_->make_classic(name)) {
    model::JoinReply refused;
    refused.error = GroupError::inconsistent_protocol;
    refused.member_id = request.member_id;
    return done(std::move(refused));
  }
  auto& entry = state_->live[name];
  if (!entry) entry = std::make_unique<State::Live>(state_->limits);
  std::size_t members_before = entry->group.member_count();
  request.waiter = state_->next_waiter++;
  request.fresh_member_id = state_->make_member_id(request.client_id);
  state_->joins.emplace(request.waiter, std::move(done));
  model::GroupEffects effects = entry->group.join(std::move(request), state_->broker.core().now());
  state_->settle(name, std::move(effects), members_before);
}

void Groups::sync(const std::string& name, model::SyncRequest request, OnSynced done) {
  model::Group* group = state_->find(name);
  if (group == nullptr) {
    model::SyncReply reply;
    reply.error = GroupError::unknown_member;
    done(std::move(reply));
    return;
  }
  std::size_t members_before = group->member_count();
  request.waiter = state_->next_waiter++;
  state_->syncs.emplace(request.waiter, std::move(done));
  model::GroupEffects effects = group->sync(std::move(request), state_->broker.core().now());
  state_->settle(name, std::move(effects), members_before);
}

GroupError Groups::heartbeat(const std::string& name, const model::GroupMemberName& member,
                             std::int32_t generation) {
  model::Group* group = state_->find(name);
  if (group == nullptr) return GroupError::unknown_member;
  // The deadline only moves away; the timer that is armed will arm itself anew.
  return group->heartbeat(member, generation, state_->broker.core().now());
}

std::vector<GroupError> Groups::leave(const std::string& name,
                                      std::span<const model::GroupMemberName> members) {
  model::Group* group = state_->find(name);
  if (group == nullptr) return std::vector<GroupError>(members.size(), GroupError::unknown_member);
  std::size_t members_before = group->member_count();
  std::vector<GroupError> results;
  model::GroupEffects effects;
  for (const model::GroupMemberName& member : members) {
    results.push_back(group->leave(member, state_->broker.core().now(), effects));
  }
  state_->settle(name, std::move(effects), members_before);
  return results;
}

// --- offsets ------------------------------------------------------------------------------------

GroupError Groups::State::check_consumer(const model::ConsumerGroup& group,
                                         const Committer& committer,
                                         model::Group::Commit kind) const {
  // A committer outside the membership, as a tool that resets offsets.
  if (committer.generation < 0 && group.members().empty()) return GroupError::none;
  GroupError error =
      model::check_member_epoch(group, committer.member.member_id, committer.generation);
  if (error == GroupError::unknown_member) return error;
  if (kind == model::Group::Commit::transactional) {
    return error == GroupError::none ? error : GroupError::illegal_generation;
  }
  return committer.knows_epochs ? error : GroupError::epoch_required;
}

GroupError Groups::State::check_commit(const std::string& name, const Committer& committer,
                                       model::Group::Commit kind) {
  if (shares.exists(name)) return GroupError::other_protocol;
  if (const model::ConsumerGroup* group = consumers.find(name)) {
    return check_consumer(*group, committer, kind);
  }
  model::Moment now = broker.core().now();
  if (model::Group* group = find(name)) {
    return group->check_commit(committer.member, committer.generation, kind, now);
  }
  if (committer.generation >= 0 && offsets_of(name).offsets_of(name) == nullptr) {
    // Nothing is known of the group that the member believes in.
    return committer.knows_epochs ? GroupError::other_protocol : GroupError::illegal_generation;
  }
  model::Group nobody(limits);
  return nobody.check_commit(committer.member, committer.generation, kind, now);
}

Groups::Committed Groups::commit_offsets(const std::string& name, const Committer& committer,
                                         const std::vector<model::OffsetCommit>& offsets) {
  GroupError error = state_->check_commit(name, committer, model::Group::Commit::plain);
  if (error != GroupError::none) return Refused{error, std::nullopt};
  Status room = state_->offsets_of(name).check_room(name, offsets.size());
  if (!room) return Refused{GroupError::none, room.error()};
  Result<Commit> commit = state_->journal(name, GroupOffsets::encode_commit(name, offsets));
  if (!commit) return Refused{GroupError::none, commit.error()};
  return *commit;
}

Groups::Committed Groups::commit_pending(const std::string& name, const Committer& committer,
                                         ProducerId producer, std::int16_t epoch,
                                         const std::vector<model::OffsetCommit>& offsets) {
  GroupError error = state_->check_commit(name, committer, model::Group::Commit::transactional);
  if (error != GroupError::none) return Refused{error, std::nullopt};
  GroupOffsets& store = state_->offsets_of(name);
  Status allowed = store.check_pending(name, producer, epoch);
  if (allowed) allowed = store.check_room(name, offsets.size());
  if (!allowed) return Refused{GroupError::none, allowed.error()};
  Result<Commit> commit =
      state_->journal(name, GroupOffsets::encode_pending(name, producer, epoch, offsets));
  if (!commit) return Refused{GroupError::none, commit.error()};
  return *commit;
}

GroupError Groups::check_fetch(const std::string& name, const std::optional<std::string>& member_id,
                               std::int32_t epoch) const {
  if (!member_id && epoch < 0) return GroupError::none;
  const model::ConsumerGroup* group = state_->consumers.find(name);
  if (group == nullptr) return GroupError::none;
  return model::check_member_epoch(*group, member_id.value_or(""), epoch);
}

Groups::FoundOffsets Groups::find_offsets(
    const std::string& name, const std::optional<std::vector<model::GroupPartition>>& asked) {
  GroupOffsets& store = state_->offsets_of(name);
  FoundOffsets found;
  found.shown = state_->last_change;
  if (asked) {
    for (const model::GroupPartition& partition : *asked) {
      FoundOffset& one = found.offsets.emplace_back();
      one.partition = partition;
      one.unstable = store.is_unstable(name, partition);
      if (const model::CommittedOffset* offset = store.find(name, partition)) {
        one.committed = *offset;
      }
    }
  } else if (const GroupOffsets::Offsets* all = store.offsets_of(name)) {
    for (const auto& [partition, offset] : *all) {
      found.offsets.push_back({partition, offset, store.is_unstable(name, partition)});
    }
  }
  return found;
}

void Groups::expect_transaction(const std::string& name, ProducerId producer, std::int16_t epoch) {
  state_->offsets_of(name).expect_transaction(name, producer, epoch);
}

Result<Commit> Groups::end_transaction(const std::string& name, ProducerId producer, bool commit) {
  return state_->journal(name, GroupOffsets::encode_end(name, producer, commit));
}

// --- looking and deleting -----------------------------------------------------------------------

std::optional<model::GroupDescription> Groups::describe(const std::string& name) const {
  if (model::Group* group = state_->find(name)) return group->describe();
  if (state_->consumers.find(name) != nullptr) return std::nullopt;
  if (!state_->offsets_of(name).contains(name)) return std::nullopt;
  model::GroupDescription description = model::Group(state_->limits).describe();
  description.protocol_type = state_->protocol_of(name);
  return description;
}

std::vector<Groups::Listed> Groups::list() const {
  std::vector<Listed> listed;
  for (const auto& [name, entry] : state_->live) {
    listed.push_back({name, entry->group.protocol_type(), std::string(entry->group.state_name())});
  }
  for (std::string& name : state_->consumers.names()) {
    std::string state(state_->consumers.find(name)->state_name());
    listed.push_back({std::move(name), "consumer", std::move(state), Listed::Kind::consumer});
  }
  for (std::string& name : state_->shares.names()) {
    std::string state(state_->shares.group_of(name).state_name());
    listed.push_back({std::move(name), "share", std::move(state), Listed::Kind::share});
  }
  model::Group nobody(state_->limits);
  state_->broker.each_shard([&](ShardState& shard) {
    for (std::string& name : shard.group_offsets.groups()) {
      if (state_->find(name) != nullptr || state_->consumers.find(name) != nullptr) continue;
      std::string protocol = state_->protocol_of(name);
      listed.push_back({std::move(name), std::move(protocol), std::string(nobody.state_name())});
    }
  });
  return listed;
}

Result<Commit> Groups::forget_offsets(const std::string& name,
                                      const std::vector<model::GroupPartition>& partitions) {
  return state_->journal(name, GroupOffsets::encode_forget(name, partitions));
}

Result<Commit> Groups::remove(const std::string& name) {
  auto it = state_->live.find(name);
  bool has_offsets = state_->offsets_of(name).contains(name);
  if (state_->consumers.find(name) != nullptr) {
    if (state_->consumers.has_members(name)) return Error{Errc::in_use, "the group has members"};
    Result<Commit> forgotten = state_->consumers.forget(name);
    if (!forgotten || !has_offsets) return forgotten;
  }
  if (it == state_->live.end() && !has_offsets) return Error{Errc::not_found, "no such group"};
  if (it != state_->live.end()) {
    if (it->second->group.remove() == GroupError::group_not_empty) {
      return Error{Errc::in_use, "the group has members"};
    }
    // Without members it holds nothing; if what follows is refused, the offsets are the group.
    state_->live.erase(it);
  }
  state_->protocols.erase(name);
  return state_->journal(name, GroupOffsets::encode_forget_group(name));
}

}  // namespace trv::broker
