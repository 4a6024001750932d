#include "redis/waiters.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/mutant.h"
#include "redis/service.h"
#include "runtime/stopwatch.h"

namespace trv::redis {

void Waiters::add(const Command& command, const Caller& caller, BlockRequest request, Done done) {
  auto [at, fresh] = waiters_.try_emplace(
      caller.connection, Waiter{&command, caller, std::move(request), std::move(done), {}, {}, {}});
  TRV_ASSERT(fresh);
  Waiter& waiter = at->second;
  std::set<std::string> names(waiter.request.names.begin(), waiter.request.names.end());
  for (const std::string& name : names) {
    Name& entry = names_[name];
    if (entry.waiters.empty()) watch(name, entry);
    const auto behind =
        TRV_MUTANT(blocked_clients_served_backwards) ? entry.waiters.begin() : entry.waiters.end();
    waiter.places.emplace_back(name, entry.waiters.insert(behind, &waiter));
  }
  if (waiter.request.timeout.count() > 0) {
    waiter.timer = service_.broker().core().schedule(
        waiter.request.timeout, [this, id = caller.connection] { on_timeout(id); });
  }
  arm_look_again(waiter);
}

void Waiters::arm_look_again(Waiter& waiter) {
  // What is far ahead is looked at now and then: the clock may be set.
  constexpr std::chrono::milliseconds look_again_max{60'000};
  waiter.look_again.cancel();
  if (!waiter.request.look_again_in) return;
  const auto after =
      std::clamp(*waiter.request.look_again_in, std::chrono::milliseconds(1), look_again_max);
  waiter.look_again = service_.broker().core().schedule(
      after, [this, id = waiter.caller.connection] { on_look_again(id); });
}

void Waiters::on_look_again(ConnectionId connection) {
  auto at = waiters_.find(connection);
  if (at == waiters_.end()) return;
  retry(at->second, false);
  serve();
}

bool Waiters::cancel(ConnectionId connection) {
  auto at = waiters_.find(connection);
  if (at == waiters_.end()) return false;
  leave(at->second);
  waiters_.erase(at);
  return true;
}

void Waiters::leave(Waiter& waiter) {
  for (auto& [name, place] : waiter.places) {
    auto at = names_.find(name);
    at->second.waiters.erase(place);
    if (at->second.waiters.empty()) {
      service_.broker().topics().unwatch(name, at->second.watch);
      names_.erase(at);
    }
  }
  waiter.places.clear();
}

void Waiters::watch(const std::string& name, Name& at) {
  at.watch = service_.broker().topics().watch(name, [this, name] { on_woken(name); });
}

void Waiters::on_timeout(ConnectionId connection) {
  auto at = waiters_.find(connection);
  if (at == waiters_.end()) return;
  Waiter waiter = std::move(at->second);
  leave(waiter);
  waiters_.erase(at);
  std::string bytes;
  ReplyWriter(bytes, waiter.caller.protocol).null_array();
  waiter.done(std::move(bytes), {});
}

bool Waiters::retry(Waiter& waiter, bool answer_later) {
  if (service_.pause().holds_blocked(*waiter.command)) return false;
  std::vector<ByteView> args(waiter.request.args.begin(), waiter.request.args.end());
  std::string bytes;
  ReplyWriter reply(bytes, waiter.caller.protocol);
  Call call{service_,      service_.broker(),           *waiter.command, args, reply,
            waiter.caller, service_.broker().wall_now()};
  call.retry = true;
  runtime::Stopwatch watch;
  Denial denial;
  if (!TRV_MUTANT(blocked_command_not_checked_again)) {
    denial = service_.accounts().check(call, DenialLog::Context::toplevel);
  }
  if (denial) {
    reply.error(denial.error());
  } else {
    waiter.command->run(call);
    service_.rest_on_changes(call);
  }
  if (call.block) {
    waiter.request.look_again_in = call.block->look_again_in;
    arm_look_again(waiter);
    return false;
  }
  service_.key_events().tell(call);
  service_.counters().note_reply(bytes);
  const std::chrono::nanoseconds took = watch.elapsed();
  service_.command_stats().note_end(*waiter.command, took, bytes.starts_with('-'));
  service_.slow_log().consider(call, took);
  // It leaves first: its client's next command may block again at once.
  broker::Commit commit = call.waits ? call.commit : broker::Commit{};
  Done done = std::move(waiter.done);
  leave(waiter);
  waiters_.erase(waiter.caller.connection);
  if (!answer_later) {
    done(std::move(bytes), commit);
    return true;
  }
  // Its client's next commands come after all that this change has set off.
  service_.broker().core().post([done = std::move(done), bytes = std::move(bytes),
                                 commit]() mutable { done(std::move(bytes), commit); });
  return true;
}

void Waiters::on_woken(const std::string& name) {
  auto at = names_.find(name);
  if (at == names_.end()) return;
  // Each watch wakes once. The next one comes first, so that nothing is missed meanwhile.
  watch(name, at->second);
  retry_all(name, false);
  serve();
}

void Waiters::on_changed(ByteView key) {
  if (names_.empty()) return;
  std::string name(key);
  if (!names_.contains(name)) return;
  if (std::find(ready_.begin(), ready_.end(), name) == ready_.end()) {
    ready_.push_back(std::move(name));
  }
}

void Waiters::serve() {
  // What a waiter's own command changes is served in the same loop, after those that are due.
  if (serving_) return;
  serving_ = true;
  while (!ready_.empty()) {
    std::string name = std::move(ready_.front());
    ready_.pop_front();
    retry_all(name, true);
  }
  serving_ = false;
}

void Waiters::retry_everything() {
  std::vector<ConnectionId> all;
  for (const auto& [id, waiter] : waiters_) all.push_back(id);
  for (ConnectionId id : all) {
    auto at = waiters_.find(id);
    if (at != waiters_.end()) retry(at->second, true);
  }
  serve();
}

void Waiters::retry_all(const std::string& name, bool answer_later) {
  auto at = names_.find(name);
  if (at == names_.end()) return;
  std::vector<ConnectionId> order;
  order.reserve(at->second.waiters.size());
  for (const Waiter* waiter : at->second.waiters) order.push_back(waiter->caller.connection);
  std::set<std::string> exhausted;
  for (ConnectionId id : order) {
    auto waiting = waiters_.find(id);
    if (waiting == waiters_.end()) continue;
    Waiter& waiter = waiting->second;
    std::string tag = waiter.request.tag;
    if (!tag.empty() && exhausted.contains(tag)) continue;
    if (!retry(waiter, answer_later) && !tag.empty()) exhausted.insert(tag);
  }
}

}  // namespace trv::redis
