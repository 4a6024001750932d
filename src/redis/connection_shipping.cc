// Connection: commands and transactions that run on the core of their keys.
#include <utility>

#include "base/mutant.h"
#include "redis/connection.h"
#include "redis/script_run.h"

namespace trv::redis {

void Connection::ship(const Command& command, std::span<const ByteView> args, CoreIndex owner) {
  learn_script(service_, command, args);
  ReplyQueue::SlotId place = replies_.open();
  if (command.has(flag::blocking)) {
    pending_place_ = place;
    blocked_on_ = owner;
  }
  if (command.has(flag::appends | flag::script)) appends_pending_ = true;
  service_.broker().at_core(
      owner, [&there = service_.peer(owner), &command, packed = PackedArgs(args), who = caller(),
              at = place_of(place, std::exchange(room_, std::nullopt).value_or(0))](
                 broker::Broker&) { there.run_shipped(command, packed, who, at); });
}

ReplyPlace Connection::place_of(ReplyQueue::SlotId slot, std::size_t held) const {
  return {core().index(), session_.id, slot, held};
}

// --- transactions --------------------------------------------------------------------------------

void Connection::execute_transaction() {
  std::string& out = replies_.tail();
  std::size_t start = out.size();
  ReplyWriter reply(out, session_.protocol);
  bool broken = session_.transaction == TransactionState::broken;
  std::vector<QueuedCommand> queue = std::exchange(session_.queue, {});
  std::vector<WatchedKey> watched = std::exchange(session_.watched, {});
  session_.end_transaction();
  if (broken) return refuse_transaction(text::exec_abort);
  CoreIndex here = core().index();
  std::optional<CoreIndex> owner;
  bool several = false;
  bool needs_home = false;
  bool appends = false;
  auto at_key = [&](ByteView key) {
    CoreIndex one = service_.broker().owner_of(key);
    several = several || (owner && *owner != one);
    owner = one;
  };
  for (const WatchedKey& one : watched) at_key(one.key);
  for (const QueuedCommand& one : queue) {
    appends = appends || one.command->has(flag::appends | flag::script);
    std::vector<ByteView> args(one.args.begin(), one.args.end());
    learn_script(service_, *one.command, args);
    CommandTable::each_key(*one.command, args, [&](std::size_t i) { at_key(args[i]); });
    needs_home =
        needs_home || (one.command->where != Where::keys && one.command->where != Where::anywhere);
  }
  if (several || (needs_home && owner && *owner != here)) {
    return refuse_transaction(text::several_cores);
  }
  if (appends) appends_pending_ = true;
  if (owner && *owner != here)
    return ship_transaction(std::move(queue), std::move(watched), *owner);
  Caller who = caller();
  running_ = true;
  broker::Commit commit = service_.run_transaction(queue, watched, who, reply, this);
  if (commit.round != 0) replies_.wait(start, commit);
  replies_.count_tail();
  send_late_pushes();
}

void Connection::refuse_transaction(std::string_view why) {
  std::string& out = replies_.tail();
  std::size_t start = out.size();
  // What monitors hear of it, this one among them, comes behind the reply.
  running_ = !TRV_MUTANT(refused_exec_shown_inside_its_reply);
  ReplyWriter(out, session_.protocol).error(why);
  service_.count_exec(caller(), ByteView(out).substr(start), {});
  replies_.count_tail();
  send_late_pushes();
}

void Connection::ship_transaction(std::vector<QueuedCommand> queue, std::vector<WatchedKey> watched,
                                  CoreIndex owner) {
  ReplyQueue::SlotId place = replies_.open();
  service_.broker().at_core(
      owner, [&there = service_.peer(owner), queue = std::move(queue), watched = std::move(watched),
              who = caller(), at = place_of(place, std::exchange(room_, std::nullopt).value_or(0))](
                 broker::Broker&) { there.run_shipped_transaction(queue, watched, who, at); });
}

}  // namespace trv::redis
