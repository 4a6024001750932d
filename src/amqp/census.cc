#include "amqp/census.h"

#include "auth/directory.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "broker/catalog.h"

namespace trv::amqp {

namespace {

using auth::Limit;
using auth::LimitScope;

// How many there may be of what there are `count`; nothing while there is room for another.
std::optional<std::uint64_t> reached(broker::Broker& broker, LimitScope scope,
                                     std::string_view name, Limit what, std::uint64_t count) {
  const auto limit = broker.catalog().access()->limit(scope, name, what);
  return limit && count >= *limit ? limit : std::nullopt;
}

std::string in_brackets(std::uint64_t limit) { return "(" + std::to_string(limit) + ")"; }

}  // namespace

std::optional<Failure> Census::enter(ConnectionId id, const std::string& user,
                                     const std::string& vhost) {
  const auto there = vhosts_.find(vhost);
  const std::uint64_t inside = TRV_MUTANT(vhosts_counted_together) ? connections_.size()
                               : there == vhosts_.end()            ? 0
                                                                   : there->second;
  if (const auto limit = reached(broker_, LimitScope::vhost, vhost, Limit::connections, inside)) {
    return Failure{ReplyCode::not_allowed, "access to vhost '" + vhost + "' refused for user '" +
                                               user + "': connection limit " + in_brackets(*limit) +
                                               " is reached"};
  }
  const auto known = users_.find(user);
  const std::uint64_t count = known == users_.end() ? 0 : known->second.connections;
  if (const auto limit = reached(broker_, LimitScope::user, user, Limit::connections, count)) {
    return Failure{ReplyCode::not_allowed, "connection refused for user '" + user +
                                               "': user connection limit " + in_brackets(*limit) +
                                               " is reached"};
  }
  const auto entry = users_.try_emplace(user).first;
  const auto place = vhosts_.try_emplace(vhost, 0).first;
  const bool is_new = connections_.try_emplace(id, Entry{entry, place, 0}).second;
  TRV_ASSERT(is_new);
  ++entry->second.connections;
  ++place->second;
  return std::nullopt;
}

void Census::leave(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || TRV_MUTANT(who_left_is_counted)) return;
  const Users::iterator user = found->second.user;
  user->second.channels -= found->second.channels;
  if (--user->second.connections == 0) users_.erase(user);
  const Vhosts::iterator vhost = found->second.vhost;
  if (--vhost->second == 0) vhosts_.erase(vhost);
  connections_.erase(found);
}

std::optional<Failure> Census::open_channel(ConnectionId id, bool limited) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return std::nullopt;
  const Users::iterator user = found->second.user;
  const auto limit =
      reached(broker_, LimitScope::user, user->first, Limit::channels, user->second.channels);
  if (limited && limit) {
    return Failure{ReplyCode::not_allowed, "number of channels opened for user '" + user->first +
                                               "' has reached the maximum allowed user limit of " +
                                               in_brackets(*limit)};
  }
  ++user->second.channels;
  ++found->second.channels;
  return std::nullopt;
}

void Census::close_channel(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  TRV_ASSERT(found->second.channels > 0);
  --found->second.channels;
  --found->second.user->second.channels;
}

void Census::take_turn(UniqueFunction<void()> begin) {
  if (turn_taken_) {
    turns_.push_back(std::move(begin));
    return;
  }
  turn_taken_ = true;
  begin();
}

void Census::end_turn() {
  TRV_ASSERT(turn_taken_);
  if (turns_.empty()) {
    turn_taken_ = false;
    return;
  }
  UniqueFunction<void()> next = std::move(turns_.front());
  turns_.pop_front();
  // Later: a turn may have begun and ended within one call, and there may be many.
  broker_.core().post(std::move(next));
}

}  // namespace trv::amqp
