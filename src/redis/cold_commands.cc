#include "redis/cold_commands.h"

#include <utility>

#include "base/assert.h"
#include "base/mutant.h"
#include "redis/service.h"

namespace trv::redis {
namespace {

// Whoever is gone has no use for it, and nothing is to be done but to answer.
bool is_for_client_only(const Command* command) {
  return command && command->has(flag::read_only | flag::blocking);
}

// The client is to send no more than what is on its way.
void hold_client(Service& here, const ReplyPlace& place, bool blocked) {
  Service& home = here.peer(place.home);
  const CoreIndex core = here.broker().core().index();
  here.broker().at_core(place.home, [&home, place, core, blocked](broker::Broker&) {
    if (Client* client = home.find_client(place.connection)) {
      client->await(place.place, core, blocked);
    }
  });
}

}  // namespace

void ColdCommands::add(Call& call, const ReplyPlace& place, bool mute) {
  Line& line = lines_[call.caller.connection];
  TRV_ASSERT(!line.first);
  line.first.emplace(Waiting{&call.command,
                             {call.args.begin(), call.args.end()},
                             call.caller,
                             place,
                             mute,
                             call.tries,
                             0,
                             false,
                             0,
                             nullptr});
  begin(*line.first, std::exchange(call.cold, {}));
  hold_client(service_, place, false);
}

void ColdCommands::begin(Waiting& waiting, std::vector<BlobRange> cold) {
  ++waiting.tries;
  for (const BlobRange& where : cold) waiting.read_size += where.length;
  service_.give_back(waiting.place);
  waiting.place.held = 0;
  waiting.number = next_number_++;
  waiting.fetch = service_.broker().cold_reads().fetch(
      std::move(cold), [this, client = waiting.caller.connection, number = waiting.number] {
        on_there(client, number);
      });
}

void ColdCommands::stand_in_line(const Command* command, const ReplyPlace& place,
                                 UniqueFunction<void()> work) {
  lines_.at(place.connection).behind.push_back({command, place, std::move(work)});
  hold_client(service_, place, false);
}

ColdCommands::Waiting* ColdCommands::find(ConnectionId client, std::uint64_t number) {
  auto at = lines_.find(client);
  if (at == lines_.end() || !at->second.first || at->second.first->number != number) return nullptr;
  return &*at->second.first;
}

void ColdCommands::on_there(ConnectionId client, std::uint64_t number) {
  const Waiting* waiting = find(client, number);
  if (!waiting) return;
  const CoreIndex here = service_.broker().core().index();
  const ReplyPlace& place = waiting->place;
  const std::size_t size = place.home == here ? 0 : waiting->read_size;
  Service& home = service_.peer(place.home);
  auto answer = [this, &home, here, place, number](std::size_t held) {
    home.broker().at_core(here, [this, place, number, held](broker::Broker&) {
      run_first({place.home, place.connection, place.place, held}, number);
    });
  };
  service_.broker().at_core(place.home, [&home, client, size, answer](broker::Broker&) {
    home.when_it_may_answer(client, size, answer);
  });
}

void ColdCommands::run_first(const ReplyPlace& place, std::uint64_t number) {
  const ConnectionId client = place.connection;
  Waiting* waiting = find(client, number);
  if (!waiting) return service_.give_back(place);
  if (service_.pause().holds_blocked(*waiting->command) && !TRV_MUTANT(pause_lets_cold_reads_run)) {
    service_.give_back(place);
    waiting->held = true;
    return;
  }
  waiting->place = place;
  Waiting due = std::move(*waiting);
  auto at = lines_.find(client);
  at->second.first.reset();
  // A client of this core goes on when it is answered, and may have to wait here again.
  const bool alone = at->second.behind.empty();
  if (alone) lines_.erase(at);
  run(std::move(due));
  if (!alone) go_on(client);
}

void ColdCommands::go_on(ConnectionId client) {
  for (;;) {
    auto at = lines_.find(client);
    if (at == lines_.end() || at->second.first) return;
    if (at->second.behind.empty()) {
      lines_.erase(at);
      return;
    }
    Behind next = std::move(at->second.behind.front());
    at->second.behind.pop_front();
    next.work();
  }
}

void ColdCommands::run(Waiting waiting) {
  const std::vector<ByteView> args(waiting.args.begin(), waiting.args.end());
  std::string bytes;
  ReplyWriter reply(bytes, waiting.caller.protocol);
  Call call{service_,       service_.broker(),           *waiting.command, args, reply,
            waiting.caller, service_.broker().wall_now()};
  call.tries = waiting.tries;
  Denial denial;
  if (!TRV_MUTANT(cold_command_not_checked_again)) {
    denial = service_.accounts().check(call, DenialLog::Context::toplevel);
  }
  if (denial) {
    reply.error(denial.error());
    service_.counters().note_reply(bytes);
    service_.command_stats().note_rejected(*waiting.command);
  } else {
    call.client = service_.find_client(waiting.caller.connection);
    if (call.client) call.session = &call.client->session();
    service_.run(call);
  }
  if (!call.cold.empty()) {
    Line& line = lines_[waiting.caller.connection];
    TRV_ASSERT(!line.first);
    line.first.emplace(std::move(waiting));
    return begin(*line.first, std::move(call.cold));
  }
  const ReplyPlace& place = waiting.place;
  if (call.block) {
    // Others let it wait now, maybe for long.
    service_.give_back(place);
    service_.block(call, place.place);
    return hold_client(service_, place, true);
  }
  if (waiting.mute && !TRV_MUTANT(muted_reply_sent_late)) return service_.fulfil(place, {}, {});
  service_.fulfil(place, std::move(bytes), call.waits ? call.commit : broker::Commit{});
}

void ColdCommands::leave(ConnectionId client) {
  auto at = lines_.find(client);
  if (at == lines_.end() || TRV_MUTANT(cold_entries_given_to_who_is_gone)) return;
  Line& line = at->second;
  std::erase_if(line.behind, [this](const Behind& one) {
    if (!is_for_client_only(one.command)) return false;
    service_.give_back(one.place);
    return true;
  });
  if (line.first && is_for_client_only(line.first->command)) {
    service_.give_back(line.first->place);
    line.first.reset();
    go_on(client);
  }
}

void ColdCommands::run_held() {
  std::vector<std::pair<ConnectionId, std::uint64_t>> held;
  for (const auto& [client, line] : lines_) {
    if (line.first && line.first->held) held.emplace_back(client, line.first->number);
  }
  // What one of them runs may begin another pause.
  for (const auto& [client, number] : held) on_there(client, number);
}

}  // namespace trv::redis
