#include "redis/service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutant.h"
#include "broker/keyspaces.h"
#include "broker/topics.h"
#include "broker/trial.h"
#include "runtime/stopwatch.h"

namespace trv::redis {

Service::Service(broker::Broker& broker, ServiceSettings settings)
    : broker_(broker),
      settings_(std::move(settings)),
      waiters_(*this),
      cold_commands_(*this),
      key_events_(*this),
      slow_log_(broker.core().index(), broker.core_count()),
      scripts_({}, std::hash<std::string>{}(settings_.run_id)),
      monitors_(*this),
      pause_(*this),
      tracking_(*this),
      shipping_(broker.core()),
      accounts_(*this),
      random_(std::hash<std::string>{}(settings_.run_id) + broker.core().index().value),
      started_(broker.core().now()) {
  key_events_.set_flags(settings_.key_events);
  broker_.keyspaces().watch_expired([this](std::string_view name, broker::Commit removal) {
    ++counters_.expired;
    key_events_.on_expired(name, removal);
    tracking_.on_changed(name, {});
  });
}

void Service::connect(std::vector<Service*> peers) {
  peers_ = std::move(peers);
  limit_tracking();
}

void Service::limit_tracking() {
  const std::uint64_t keys_max = settings_.tracked_keys_max;
  const std::uint64_t share = std::max<std::uint64_t>(keys_max / peers_.size(), 1);
  tracking_.set_keys_max(keys_max == 0 ? 0 : share);
}

Service::~Service() { broker_.keyspaces().watch_expired({}); }

Client* Service::find_client(ConnectionId id) const {
  auto at = clients_.find(id);
  return at == clients_.end() ? nullptr : at->second;
}

ConnectionId Service::add_client(Client& client) {
  // Unique over all cores, ascending on each; at_home() finds the core by it.
  auto cores = static_cast<std::uint64_t>(broker_.core_count());
  ConnectionId id(next_client_++ * cores + broker_.core().index().value);
  clients_.emplace(id, &client);
  return id;
}

void Service::remove_client(ConnectionId id) { clients_.erase(id); }

void Service::forget_client(Session& session) {
  const bool known_everywhere = session.monitor || session.tracking.broadcast;
  session.monitor = false;
  session.tracking = {};
  if (!known_everywhere) return;
  each_core([id = session.id](Service& there) {
    there.monitors().remove(id);
    there.tracking().remove_prefixes(id);
  });
}

void Service::resume_held() {
  cold_commands_.run_held();
  std::vector<ConnectionId> held;
  for (const auto& [id, client] : clients_) {
    if (client->session().held) held.push_back(id);
  }
  for (ConnectionId id : held) {
    Client* client = find_client(id);
    // What one of them runs may begin another pause.
    if (client && pause_.kind() == Pause::Kind::none) client->resume();
  }
  waiters_.retry_everything();
}

void Counters::note_reply(ByteView reply) {
  constexpr std::size_t kinds_max = 128;  // scripts make their own
  if (reply.empty() || reply[0] != '-') return;
  ++errors;
  const std::string kind(reply.substr(1, reply.find_first_of(" \r\n") - 1));
  if (errors_by_kind.size() < kinds_max || errors_by_kind.contains(kind)) ++errors_by_kind[kind];
}

void Service::run(Call& call) {
  std::size_t start = call.reply.out().size();
  runtime::Stopwatch watch;
  const bool monitored = monitors_.any() && Monitors::shows(call.command);
  const bool runs_others = call.command.has(flag::script);
  if (monitored && runs_others) monitors_.tell(call);
  if (!try_to_run(call)) return;
  ++counters_.commands;
  if (monitored && !runs_others) monitors_.tell(call);
  if (call.caller.tracks != Tracks::nothing) track(call);
  rest_on_changes(call);
  count(call, ByteView(call.reply.out()).substr(start), watch.elapsed());
  key_events_.tell(call);
  if (!call.transaction || TRV_MUTANT(waiter_sees_half_a_transaction)) waiters_.serve();
}

bool Service::try_to_run(Call& call) {
  const bool may_wait = call.tries < ColdCommands::tries_max || TRV_MUTANT(tries_for_ever);
  if (!may_wait || !call.command.has(flag::tries) || call.transaction ||
      TRV_MUTANT(cold_commands_wait_on_the_core)) {
    call.command.run(call);
    return true;
  }
  const std::size_t start = call.reply.out().size();
  broker::Trial trial(broker_, call.tries);
  call.command.run(call);
  if (!trial.met_cold()) return true;
  TRV_ASSERT(!call.waits);  // else it has changed something
  call.reply.out().resize(start);
  call.block.reset();
  call.touches.clear();
  call.cold = trial.take();
  return false;
}

void Service::track(const Call& call) {
  if (!call.command.has(flag::read_only) || call.command.has(flag::script)) return;
  tracking_.remember(call, call.args, call.command);
  // What a script reads makes up its answer, and so may what it says that it is about.
  if (call.script) tracking_.remember(call, call.script->args, call.script->command);
}

void Service::count(const Call& call, ByteView reply, std::chrono::nanoseconds took) {
  const bool failed = reply.starts_with('-');
  const bool counted = !call.inner_error.empty() && reply.starts_with(call.inner_error);
  if (!counted) counters_.note_reply(reply);
  // What waits is as slow as it is when it has ended.
  if (call.block) return command_stats_.note_blocked(call.command, took);
  command_stats_.note_call(call.command, took, failed);
  // What a script calls is part of it.
  if (call.scripted) return;
  slow_log_.consider(call, took);
  latency_events_.consider(
      call.command.has(flag::fast) ? latency_event::fast_command : latency_event::command, call.now,
      took);
}

void Service::count_exec(const Caller& caller, ByteView reply, std::chrono::nanoseconds took) {
  ++counters_.commands;
  if (monitors_.any()) monitors_.tell_exec(caller, broker_.wall_now());
  counters_.note_reply(reply);
  command_stats_.note_call(*table_.find("exec"), took, reply.starts_with('-'));
}

void Service::count_late(const Command& command, ByteView reply) {
  counters_.note_reply(reply);
  if (reply.starts_with('-')) command_stats_.note_failed(command);
}

void Service::rest_on_changes(Call& call) {
  if (call.waits) {
    last_change_ = last_change_ | call.commit;
    return;
  }
  // A read that finds nothing says so at once, also when what it finds would be journaled.
  const bool reads = call.command.has(flag::reads_log) && call.command.has(flag::blocking);
  if (call.command.has(flag::write) && !reads && last_change_.round != 0 && !call.block &&
      !call.deferred && !TRV_MUTANT(nothing_to_do_is_answered_at_once)) {
    call.wait_for_shown(last_change_);
  }
}

void Service::publish_everywhere(const std::string& channel, const std::string& message) {
  for (Service* peer : peers_) {
    if (peer == this) {
      channels_.publish(channel, message);
    } else {
      broker_.post(peer->broker_.core().index(),
                   [peer, channel, message] { peer->channels_.publish(channel, message); });
    }
  }
}

void Service::fulfil(const ReplyPlace& place, std::string bytes, broker::Commit commit) {
  if (place.home == broker_.core().index()) {
    if (place.held > 0) shipping_.arrived(place.held, bytes.size());
    auto at = clients_.find(place.connection);
    if (at != clients_.end()) at->second->fulfil(place.place, std::move(bytes), commit);
    return;
  }
  // The commit is this core's: it is waited for here.
  auto send = [this, place](std::string reply) {
    Service& home = peer(place.home);
    broker_.post(place.home, [&home, place, reply = std::move(reply)]() mutable {
      home.fulfil(place, std::move(reply), {});
    });
  };
  if (commit.round == 0 || broker_.is_durable(commit)) return send(std::move(bytes));
  broker_.when_durable(commit,
                       [send, bytes = std::move(bytes)](Result<broker::Durable> result) mutable {
                         if (!result) bytes = "-" + std::string(text::cannot_store) + "\r\n";
                         send(std::move(bytes));
                       });
}

std::uint64_t Service::fingerprint(ByteView key, WallTime now) {
  if (const model::Keyspace::Entry* entry = broker_.keyspaces().of(key).find(key, now)) {
    return !entry->value.is_string() && TRV_MUTANT(watch_ignores_collections) ? 1 : entry->version;
  }
  broker::Topic* topic = broker_.topics().find(key);
  if (!topic) return 0;
  const model::Topic& state = broker_.topics().state(*topic);
  const std::optional<WallTime>& expires = state.settings().expires;
  std::uint64_t parts[] = {expires ? static_cast<std::uint64_t>(expires->ms) : 0,
                           state.id().value,
                           state.last_id().ms,
                           state.last_id().seq,
                           state.live_count(),
                           state.added_count(),
                           state.max_erased_id().ms,
                           state.max_erased_id().seq};
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::uint64_t part : parts) hash = (hash ^ part) * 0x9e3779b97f4a7c15u + (hash >> 29);
  return hash | 1;
}

Denial Service::check_queued(const Call& call) {
  const bool unlimited = call.session && !call.session->limited && !accounts_.looks_ahead();
  if (unlimited || TRV_MUTANT(exec_checks_no_rules)) return {};
  return accounts_.check(call, DenialLog::Context::transaction);
}

broker::Commit Service::run_transaction(const std::vector<QueuedCommand>& queue,
                                        const std::vector<WatchedKey>& watched,
                                        const Caller& caller, ReplyWriter& reply, Client* client) {
  WallTime now = broker_.wall_now();
  for (const WatchedKey& one : watched) {
    if (fingerprint(one.key, now) == one.fingerprint || TRV_MUTANT(watch_sees_no_change)) continue;
    reply.null_array();
    count_exec(caller, {}, {});
    return {};
  }
  runtime::Stopwatch watch;
  std::optional<TransactionScope> scope(std::in_place, broker_);
  broker::Commit commit;
  reply.array(queue.size());
  std::vector<ByteView> args;
  for (const QueuedCommand& one : queue) {
    args.assign(one.args.begin(), one.args.end());
    Call call{*this, broker_, *one.command, args, reply, caller, now};
    call.session = client ? &client->session() : nullptr;
    call.client = client;
    call.transaction = &*scope;
    if (Denial denial = check_queued(call)) {
      reply.error(
          "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
          "the EXEC call. This command is no longer allowed for the following reason: " +
          std::string(text_of(denial.lacks)));
      continue;
    }
    run(call);
    TRV_ASSERT(!call.block);
    TRV_ASSERT(!call.deferred);
    if (call.waits) commit = commit | call.commit;
  }
  // Who waits is not told what is not durable.
  scope.reset();
  accounts_.come_back();
  count_exec(caller, {}, watch.elapsed());
  waiters_.serve();
  return commit;
}

void Service::run_shipped_transaction(const std::vector<QueuedCommand>& queue,
                                      const std::vector<WatchedKey>& watched, const Caller& caller,
                                      const ReplyPlace& place) {
  if (!cold_commands_.keeps_waiting(caller.connection)) {
    return run_shipped_transaction_now(queue, watched, caller, place);
  }
  cold_commands_.stand_in_line(nullptr, place, [this, queue, watched, caller, place] {
    run_shipped_transaction_now(queue, watched, caller, place);
  });
}

void Service::run_shipped_transaction_now(const std::vector<QueuedCommand>& queue,
                                          const std::vector<WatchedKey>& watched,
                                          const Caller& caller, const ReplyPlace& place) {
  std::string out;
  ReplyWriter reply(out, caller.protocol);
  broker::Commit commit = run_transaction(queue, watched, caller, reply, nullptr);
  fulfil(place, std::move(out), commit);
}

void Service::block(Call& call, std::uint64_t place) {
  ReplyPlace target{call.caller.home, call.caller.connection, place};
  waiters_.add(call.command, call.caller, std::move(*call.block),
               [this, target](std::string bytes, broker::Commit commit) {
                 fulfil(target, std::move(bytes), commit);
               });
  call.block.reset();
}

void Service::give_back(const ReplyPlace& place) {
  if (place.held == 0) return;
  Service& home = peer(place.home);
  broker_.post(place.home, [&home, held = place.held] { home.shipping_.leave(held); });
}

void Service::when_it_may_answer(ConnectionId client, std::size_t shipped,
                                 const std::function<void(std::size_t held)>& then) {
  auto take_room = [this, shipped, then] {
    if (shipped == 0) return then(0);
    const std::size_t size = std::max(shipped, shipping_.expected());
    if (shipping_.try_enter(size)) return then(size);
    shipping_.enter_later(size, [then, size] { then(size); });
  };
  Client* there = find_client(client);
  const bool may_answer = !there || there->may_answer(take_room);
  if (may_answer || TRV_MUTANT(cold_reads_answered_at_once)) take_room();
}

void Service::run_shipped(const Command& command, const PackedArgs& args, const Caller& caller,
                          ReplyPlace place) {
  if (!cold_commands_.keeps_waiting(caller.connection) || TRV_MUTANT(shipped_overtakes_cold)) {
    return run_shipped_now(command, args, caller, place);
  }
  cold_commands_.stand_in_line(&command, place, [this, &command, args, caller, place] {
    run_shipped_now(command, args, caller, place);
  });
}

void Service::run_shipped_now(const Command& command, const PackedArgs& args, const Caller& caller,
                              const ReplyPlace& place) {
  const PackedArgs::Views views = args.views();
  std::string out;
  ReplyWriter reply(out, caller.protocol);
  Call call{*this, broker_, command, views, reply, caller, broker_.wall_now()};
  run(call);
  if (!call.cold.empty()) return cold_commands_.add(call, place, false);
  if (call.block) {
    // Its reply may be long in coming: the room is for others meanwhile.
    give_back(place);
    return block(call, place.place);
  }
  fulfil(place, std::move(out), call.waits ? call.commit : broker::Commit{});
}

}  // namespace trv::redis
