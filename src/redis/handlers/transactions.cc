// MULTI, EXEC and WATCH. EXEC itself is run by the connection, which knows where the keys live.
#include "redis/handlers/families.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

void multi(Call& call) {
  if (call.session->transaction != TransactionState::none) {
    return call.reply.error(text::nested_multi);
  }
  call.session->transaction = TransactionState::queueing;
  call.reply.ok();
}

// Only ever run outside a transaction.
void exec(Call& call) { call.reply.error(text::exec_without_multi); }

void discard(Call& call) {
  if (call.session->transaction == TransactionState::none) {
    return call.reply.error(text::discard_without_multi);
  }
  call.session->end_transaction();
  call.session->watched.clear();
  call.reply.ok();
}

void unwatch(Call& call) {
  call.session->watched.clear();
  call.reply.ok();
}

// A key that is watched twice may be there twice: the first look decides, as any change does.
void remember(Session& session, std::vector<WatchedKey> keys) {
  for (WatchedKey& key : keys) session.watched.push_back(std::move(key));
}

void watch(Call& call) {
  if (call.session->transaction != TransactionState::none) {
    return call.reply.error(text::watch_inside_multi);
  }
  std::size_t count = call.args.size() - 1;
  if (call.session->watched.size() + count > Session::watched_keys_max) {
    return call.reply.error("ERR too many watched keys");
  }
  CoreIndex owner = call.broker.owner_of(call.args[1]);
  for (ByteView key : call.args.subspan(1)) {
    if (call.broker.owner_of(key) != owner) return call.reply.error(text::several_cores);
  }
  std::vector<WatchedKey> keys;
  for (ByteView key : call.args.subspan(1)) keys.push_back({std::string(key), 0});
  if (owner == call.broker.core().index()) {
    for (WatchedKey& key : keys) key.fingerprint = call.service.fingerprint(key.key, call.now);
    remember(*call.session, std::move(keys));
    return call.reply.ok();
  }
  ReplyPlace place{call.caller.home, call.caller.connection, call.client->defer()};
  call.deferred = true;
  Service& home = call.service;
  Service& there = call.service.peer(owner);
  call.broker.at_core(owner, [&home, &there, place, keys = std::move(keys),
                              now = call.now](broker::Broker& here) mutable {
    for (WatchedKey& key : keys) key.fingerprint = there.fingerprint(key.key, now);
    here.post(place.home, [&home, place, keys = std::move(keys)]() mutable {
      auto at = home.clients().find(place.connection);
      if (at == home.clients().end()) return;
      remember(at->second->session(), std::move(keys));
      home.fulfil(place, "+OK\r\n", {});
    });
  });
}

constexpr std::uint32_t at_once =
    flag::not_queued | flag::fast | flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"multi", 1, at_once, Where::session, KeyRule::none, 0, 0, 0, "transactions", "1.2.0",
     "Begins a transaction.", multi},
    {"exec", 1, flag::not_queued | flag::loading | flag::stale | flag::no_script,
     Where::transaction, KeyRule::none, 0, 0, 0, "transactions", "1.2.0",
     "Runs the commands of a transaction.", exec},
    {"discard", 1, at_once, Where::session, KeyRule::none, 0, 0, 0, "transactions", "2.0.0",
     "Drops a transaction.", discard},
    {"watch", -2, at_once, Where::session, KeyRule::range, 1, -1, 1, "transactions", "2.2.0",
     "Makes the next transaction depend on keys not changing.", watch},
    {"unwatch", 1, flag::fast | flag::loading | flag::stale | flag::no_script, Where::session,
     KeyRule::none, 0, 0, 0, "transactions", "2.2.0", "Forgets the watched keys.", unwatch},
};

}  // namespace

std::span<const Command> transaction_commands() { return rows; }

}  // namespace trv::redis
