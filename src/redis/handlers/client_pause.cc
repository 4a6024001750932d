// CLIENT PAUSE: the commands of all clients wait. MONITOR: all commands are told to this one.
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

// Runs `work` on every core and then answers OK. What the cores had sent each other before has run
// by then: it was posted before their answers to the first question, and so comes before the
// second.
template <class Work>
void on_all_cores(Call& call, Work work) {
  if (call.service.single_core()) {
    work(call.service);
    return call.reply.ok();
  }
  if (call.transaction) return call.reply.error(text::several_cores);
  const ReplyPlace place{call.caller.home, call.caller.connection, call.client->defer()};
  call.deferred = true;
  Service& home = call.service;
  call.broker.gather(
      [&home, work](broker::Broker& here) {
        work(home.peer_of(here));
        return 0;
      },
      [&home, place](const std::vector<int>&) {
        home.broker().gather(
            [](broker::Broker&) { return 0; },
            [&home, place](const std::vector<int>&) { home.fulfil(place, "+OK\r\n", {}); });
      });
}

void client_pause(Call& call) {
  std::optional<std::int64_t> time = parse_integer(call.args[2]);
  if (!time) return call.reply.error(text::timeout_not_integer);
  if (*time < 0) return call.reply.error(text::timeout_negative);
  Pause::Kind kind = Pause::Kind::all;
  if (call.args.size() > 4) return call.reply.error(wrong_arity("client|pause"));
  if (call.args.size() == 4) {
    if (is_word(call.args[3], "write")) kind = Pause::Kind::writes;
    if (kind == Pause::Kind::all && !is_word(call.args[3], "all")) {
      return call.reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  on_all_cores(call, [kind, time = std::chrono::milliseconds(*time)](Service& service) {
    service.pause().begin(kind, time);
  });
}

void client_unpause(Call& call) {
  on_all_cores(call, [](Service& service) { service.pause().end(); });
}

void monitor(Call& call) {
  if (call.transaction) {
    return call.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  }
  call.session->monitor = true;
  call.service.gather(
      call,
      [id = call.session->id](Service& service) {
        service.monitors().add(id);
        return 0;
      },
      [](const std::vector<int>&, ReplyWriter& reply) { reply.ok(); });
}

constexpr std::uint32_t any = flag::admin | flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"client|pause", -3, any, Where::every_core, KeyRule::none, 0, 0, 0, "connection", "3.0.0",
     "Makes the commands of all clients wait.", client_pause},
    {"client|unpause", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "connection", "6.2.0",
     "Ends a pause.", client_unpause},
    {"monitor", 1, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "1.0.0",
     "Tells the connection of all commands that are run.", monitor},
};

}  // namespace

std::span<const Command> client_pause_commands() { return rows; }

}  // namespace trv::redis
