// Feeds: the changes of one kind of state of this core's shards, for who keeps a copy of it
// elsewhere (model/change_feed.h).
//
// Owner: the service that changes the state. It calls before_change() and after_change() around
// each command that it journals. One follower at a time.
//
// Invariants: once somebody follows, so he does after a restart, until unfollow(); what next()
// gives comes again until it is settled.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "broker/detail/share_state.h"
#include "broker/shard_state.h"

namespace trv::broker {

// Of one shard.
template <class State>
struct Changes {
  ShardId shard;
  std::uint64_t last = 0;  // the number of the last of them
  std::vector<typename State::Key> keys;
};

namespace detail {

template <class State>
Status apply_feed(ShardState&, State& state, ByteView command, WallTime now) {
  return state.apply(command, now);
}

inline Status apply_feed(ShardState& shard, model::ShareChanges&, ByteView command, WallTime) {
  return apply_share_feed(shard, command);
}

}  // namespace detail

template <class State>
class Feeds {
 public:
  // The shards' entries are the time (i64, little-endian) and a command of the state.
  Feeds(Broker& broker, storage::EntryKind kind, State ShardState::*state)
      : broker_(broker), kind_(kind), state_(state) {}

  // `changed` runs whenever there may be something for next(), in the middle of other work.
  void watch(std::function<void()> changed) { changed_ = std::move(changed); }

  // Everything that there is counts as changed: at once in all shards, or where nobody follows yet.
  // Errors: as Broker::journal(); then some shards may be followed.
  Status follow();
  Status go_on();
  Status unfollow();
  bool is_followed();

  // The oldest changes of some shard; nothing when there are none. What the state is now is
  // durable when Broker::tail() is.
  std::optional<Changes<State>> next(std::size_t count_max);
  // Who follows has them for good.
  Status settle(const Changes<State>& changes);

  const State& state(ShardId shard) const { return broker_.shard(shard).*state_; }

  // --- for the owner -----------------------------------------------------------------------------
  // A shard that held nothing when somebody began to follow is followed from its first change on.
  Status before_change(ShardId shard);
  void after_change();

 private:
  Status take(ShardId shard, model::FeedStep step);
  Status begin_all(bool anew);

  Broker& broker_;
  storage::EntryKind kind_;
  State ShardState::*state_;
  bool follows_ = false;  // in this process life
  std::function<void()> changed_;
};

template <class State>
Status Feeds<State>::take(ShardId shard, model::FeedStep step) {
  const WallTime now = broker_.wall_now();
  char time[8];
  store_le(time, now.ms);
  const std::string command = State::encode_feed(step);
  const ByteView parts[] = {ByteView(time, sizeof time), command};
  auto kept = broker_.journal(Space::less, kind_, shard, parts);
  if (!kept) return kept.error();
  ShardState& changed = broker_.shard(shard);
  return detail::apply_feed(changed, changed.*state_, command, now);
}

template <class State>
Status Feeds<State>::begin_all(bool anew) {
  follows_ = true;
  Status all;
  broker_.each_shard([&](ShardState& shard) {
    if (!all || (!anew && state(shard.id).changes().is_followed())) return;
    all = take(shard.id, {model::FeedStep::Kind::begin});
  });
  after_change();
  return all;
}

template <class State>
Status Feeds<State>::follow() {
  return begin_all(true);
}

template <class State>
Status Feeds<State>::go_on() {
  return begin_all(false);
}

template <class State>
Status Feeds<State>::unfollow() {
  follows_ = false;
  Status all;
  broker_.each_shard([&](ShardState& shard) {
    if (!all || !state(shard.id).changes().is_followed()) return;
    all = take(shard.id, {model::FeedStep::Kind::end});
  });
  return all;
}

template <class State>
bool Feeds<State>::is_followed() {
  bool any = follows_;
  broker_.each_shard(
      [&](ShardState& shard) { any = any || state(shard.id).changes().is_followed(); });
  return any;
}

template <class State>
std::optional<Changes<State>> Feeds<State>::next(std::size_t count_max) {
  std::optional<Changes<State>> found;
  broker_.each_shard([&](ShardState& shard) {
    if (found) return;
    for (auto& change : state(shard.id).changes().oldest(count_max)) {
      if (!found) found.emplace(Changes<State>{shard.id, 0, {}});
      found->last = change.number;
      found->keys.push_back(std::move(change.key));
    }
  });
  return found;
}

template <class State>
Status Feeds<State>::settle(const Changes<State>& changes) {
  return take(changes.shard, {model::FeedStep::Kind::settle, changes.last});
}

template <class State>
Status Feeds<State>::before_change(ShardId shard) {
  if (!follows_ || state(shard).changes().is_followed()) return {};
  return take(shard, {model::FeedStep::Kind::begin});
}

template <class State>
void Feeds<State>::after_change() {
  if (follows_ && changed_) changed_();
}

}  // namespace trv::broker
