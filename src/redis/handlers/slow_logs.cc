// SLOWLOG: the commands that took long.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

using Entries = std::vector<SlowLog::Entry>;

void write_entry(ReplyWriter& reply, const SlowLog::Entry& entry) {
  reply.array(6);
  reply.count(entry.id);
  reply.integer(entry.when.ms / 1000);
  reply.integer(entry.took.count());
  reply.array(entry.args.size());
  for (const std::string& arg : entry.args) reply.bulk(arg);
  reply.bulk(entry.peer);
  reply.bulk(entry.name);
}

void slowlog_get(Call& call) {
  constexpr std::size_t count_usual = 10;
  std::size_t count = count_usual;
  if (call.args.size() == 3) {
    std::optional<std::int64_t> given = integer_arg(call, 2);
    if (!given) return;
    if (*given < -1) {
      return call.reply.error("ERR count should be greater than or equal to -1");
    }
    count = static_cast<std::size_t>(*given);
  }
  call.service.gather(
      call,
      [](Service& service) {
        const auto& entries = service.slow_log().entries();
        return Entries(entries.begin(), entries.end());
      },
      [count](std::vector<Entries> parts, ReplyWriter& reply) {
        Entries all;
        for (Entries& part : parts) all.insert(all.end(), part.begin(), part.end());
        std::stable_sort(
            all.begin(), all.end(),
            [](const SlowLog::Entry& a, const SlowLog::Entry& b) { return a.when > b.when; });
        if (all.size() > count) all.resize(count);
        reply.array(all.size());
        for (const SlowLog::Entry& entry : all) write_entry(reply, entry);
      });
}

void slowlog_len(Call& call) {
  call.service.gather(
      call, [](Service& service) { return service.slow_log().entries().size(); },
      [](std::vector<std::size_t> parts, ReplyWriter& reply) {
        std::size_t count = 0;
        for (std::size_t part : parts) count += part;
        reply.count(count);
      });
}

void slowlog_reset(Call& call) {
  call.service.gather(
      call,
      [](Service& service) {
        service.slow_log().clear();
        return 0;
      },
      [](const std::vector<int>&, ReplyWriter& reply) { reply.ok(); });
}

constexpr std::uint32_t any = flag::admin | flag::loading | flag::stale;

constexpr Command rows[] = {
    {"slowlog", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "server",
     "2.2.12", "A container for slow log commands.", nullptr},
    {"slowlog|get", -2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.2.12",
     "Returns the newest entries of the slow log.", slowlog_get},
    {"slowlog|len", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.2.12",
     "Returns the number of entries in the slow log.", slowlog_len},
    {"slowlog|reset", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.2.12",
     "Clears the slow log.", slowlog_reset},
};

}  // namespace

std::span<const Command> slow_log_commands() { return rows; }

}  // namespace trv::redis
