// PFADD, PFCOUNT, PFMERGE: counting different elements in a string of Redis's form.
#include "redis/encodings/hyper_log.h"
#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"

namespace trv::redis {

namespace {

struct FoundLog {
  const KeyEntry* entry = nullptr;  // null: the key is missing, and the log empty
  HyperLog log;
};

// Nothing after an error reply.
std::optional<FoundLog> find_log(Call& call, ByteView key) {
  FoundString found = find_string(call, key);
  if (found.refused) return std::nullopt;
  if (!found.entry) return FoundLog{};
  const std::string& text = found.entry->value.text();
  if (!HyperLog::is_one(text)) {
    call.reply.error("WRONGTYPE Key is not a valid HyperLogLog string value.");
    return std::nullopt;
  }
  std::optional<HyperLog> log = HyperLog::decode(text);
  if (!log) {
    call.reply.error("INVALIDOBJ Corrupted HLL object detected");
    return std::nullopt;
  }
  return FoundLog{found.entry, *log};
}

bool store_log(Call& call, const FoundLog& found) {
  std::optional<WallTime> expires = found.entry ? found.entry->expires : std::nullopt;
  return put_string(call, call.args[1], found.log.encode(), expires);
}

void pfadd(Call& call) {
  std::optional<FoundLog> found = find_log(call, call.args[1]);
  if (!found) return;
  bool changed = !found->entry;
  for (ByteView element : call.args.subspan(2)) changed = found->log.add(element) || changed;
  if (changed && !store_log(call, *found)) return;
  call.reply.integer(changed ? 1 : 0);
}

void pfcount(Call& call) {
  std::optional<FoundLog> found = find_log(call, call.args[1]);
  if (!found) return;
  if (call.args.size() == 2) {
    return call.reply.count(found->log.known_count().value_or(found->log.count()));
  }
  for (ByteView key : call.args.subspan(2)) {
    std::optional<FoundLog> other = find_log(call, key);
    if (!other) return;
    found->log.merge(other->log);
  }
  call.reply.count(found->log.count());
}

void pfmerge(Call& call) {
  std::optional<FoundLog> found = find_log(call, call.args[1]);
  if (!found) return;
  for (ByteView key : call.args.subspan(2)) {
    std::optional<FoundLog> other = find_log(call, key);
    if (!other) return;
    found->log.merge(other->log);
  }
  // Also what nothing was added to is to be counted again.
  found->log.merge({});
  if (store_log(call, *found)) call.reply.ok();
}

constexpr Command rows[] = {
    {"pfadd", -2, flag::write | flag::deny_oom | flag::fast, Where::keys, KeyRule::range, 1, 1, 1,
     "hyperloglog", "2.8.9", "Adds elements to a HyperLogLog key.", pfadd},
    {"pfcount", -2, flag::read_only | flag::may_write, Where::keys, KeyRule::range, 1, -1, 1,
     "hyperloglog", "2.8.9", "Estimates how many different elements HyperLogLog keys have seen.",
     pfcount},
    {"pfmerge", -2, flag::write | flag::deny_oom, Where::keys, KeyRule::range, 1, -1, 1,
     "hyperloglog", "2.8.9", "Merges HyperLogLog keys into one.", pfmerge},
};

}  // namespace

std::span<const Command> hyper_log_commands() { return rows; }

}  // namespace trv::redis
