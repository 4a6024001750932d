// String values: SET and its kin, counters, and reading.
#include <limits>

#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::optional<TimeUnit> expiry_word(ByteView arg) {
  if (is_word(arg, "ex")) return TimeUnit{true, false};
  if (is_word(arg, "px")) return TimeUnit{false, false};
  if (is_word(arg, "exat")) return TimeUnit{true, true};
  if (is_word(arg, "pxat")) return TimeUnit{false, true};
  return std::nullopt;
}

namespace {

void get(Call& call) {
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  if (found.entry) {
    ++call.service.counters().hits;
    call.reply.bulk(found.entry->value.text());
  } else {
    ++call.service.counters().misses;
    call.reply.null();
  }
}

struct SetOptions {
  bool if_absent = false;
  bool if_present = false;
  bool give_old = false;
  bool keep_expiry = false;
  std::optional<WallTime> expires;
};

bool parse_set(Call& call, SetOptions& options) {
  std::size_t expiry_index = 0;
  TimeUnit unit{};
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    ByteView arg = call.args[i];
    std::optional<TimeUnit> expiry = expiry_word(arg);
    if (is_word(arg, "nx") && !options.if_present) {
      options.if_absent = true;
    } else if (is_word(arg, "xx") && !options.if_absent) {
      options.if_present = true;
    } else if (is_word(arg, "get")) {
      options.give_old = true;
    } else if (is_word(arg, "keepttl") && expiry_index == 0) {
      options.keep_expiry = true;
    } else if (expiry && expiry_index == 0 && !options.keep_expiry && i + 1 < call.args.size()) {
      expiry_index = ++i;
      unit = *expiry;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  if (expiry_index == 0) return true;
  options.expires = expiry_arg(call, expiry_index, unit, true);
  return options.expires.has_value();
}

void set(Call& call) {
  SetOptions options;
  if (call.args.size() > 3 && !parse_set(call, options)) return;
  ByteView key = call.args[1];
  const KeyEntry* entry = call.broker.keyspaces().of(key).find(key, call.now);
  broker::Topic* stream = entry ? nullptr : call.broker.topics().find(key);
  const bool other_type = stream || (entry && !entry->value.is_string());
  if (options.give_old && other_type) return call.reply.error(text::wrong_type);
  if (!may_write(call)) return;
  std::optional<std::string> old;
  if (options.give_old && entry) old = entry->value.text();
  const bool exists = entry || stream;
  const bool kept = (options.if_absent && exists) || (options.if_present && !exists);
  if (options.give_old || kept) shows(call, call.broker.keyspaces().of(key), key, entry);
  if (options.keep_expiry && entry) options.expires = entry->expires;
  if (options.keep_expiry && stream) options.expires = broker::Topics::settings(*stream).expires;
  const std::uint64_t size = key.size() + call.args[2].size() + put_overhead_max;
  if (!kept && stream && !replace_stream(call, key, size)) return;
  if (!kept && !put_string(call, key, call.args[2], options.expires)) return;
  if (old) {
    call.reply.bulk(*old);
  } else if (options.give_old || kept) {
    call.reply.null();
  } else {
    call.reply.ok();
  }
}

void setnx(Call& call) {
  ByteView key = call.args[1];
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (entry || call.broker.topics().find(key)) {
    if (entry) shows(call, keyspace, key, entry);
    return call.reply.integer(0);
  }
  if (!may_write(call)) return;
  if (put_string(call, key, call.args[2], std::nullopt)) call.reply.integer(1);
}

void set_with_expiry(Call& call, TimeUnit unit) {
  std::optional<WallTime> expires = expiry_arg(call, 2, unit, true);
  if (!expires) return;
  ByteView key = call.args[1];
  if (!may_write(call)) return;
  const std::uint64_t size = key.size() + call.args[3].size() + put_overhead_max;
  if (!replace_stream(call, key, size)) return;
  if (put_string(call, key, call.args[3], expires)) call.reply.ok();
}
void setex(Call& call) { set_with_expiry(call, {true, false}); }
void psetex(Call& call) { set_with_expiry(call, {false, false}); }

void getset(Call& call) {
  FoundString found = find_string(call, call.args[1]);
  if (found.refused || !may_write(call)) return;
  std::optional<std::string> old;
  if (found.entry) old = found.entry->value.text();
  if (!put_string(call, call.args[1], call.args[2], std::nullopt)) return;
  if (old) {
    call.reply.bulk(*old);
  } else {
    call.reply.null();
  }
}

void getdel(Call& call) {
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  if (!found.entry) return call.reply.null();
  std::string old(found.entry->value.text());
  if (remove_key(call, call.args[1])) call.reply.bulk(old);
}

void mget(Call& call) {
  call.reply.array(call.args.size() - 1);
  for (ByteView key : call.args.subspan(1)) {
    model::Keyspace& keyspace = call.broker.keyspaces().of(key);
    const KeyEntry* entry = keyspace.find(key, call.now);
    shows(call, keyspace, key, entry);
    if (entry && entry->value.is_string()) {
      ++call.service.counters().hits;
      call.reply.bulk(entry->value.text());
    } else {
      ++call.service.counters().misses;
      call.reply.null();
    }
  }
}

void mset(Call& call) {
  if (call.args.size() % 2 == 0) return call.reply.error(wrong_arity("mset"));
  if (!may_write(call)) return;
  Change change(call);
  for (std::size_t i = 1; i < call.args.size(); i += 2) {
    if (!change.replace_stream(call.args[i])) return;
    change.put(call.args[i], call.args[i + 1]);
  }
  if (change.store(broker::Space::more)) call.reply.ok();
}

void add_to(Call& call, std::int64_t amount) {
  ByteView key = call.args[1];
  FoundString found = find_string(call, key);
  if (found.refused) return;
  std::int64_t value = 0;
  if (found.entry) {
    std::optional<std::int64_t> present = parse_integer(found.entry->value.text());
    if (!present) return call.reply.error(text::not_integer);
    value = *present;
  }
  std::int64_t sum = 0;
  if (__builtin_add_overflow(value, amount, &sum)) return call.reply.error(text::overflow);
  if (!may_write(call)) return;
  char digits[integer_text_max];
  std::optional<WallTime> expires = found.entry ? found.entry->expires : std::nullopt;
  if (put_string(call, key, {digits, print_integer(digits, sum)}, expires)) {
    call.reply.integer(sum);
  }
}

void incr(Call& call) { add_to(call, 1); }
void decr(Call& call) { add_to(call, -1); }
void incrby(Call& call) {
  if (std::optional<std::int64_t> amount = integer_arg(call, 2)) add_to(call, *amount);
}
void decrby(Call& call) {
  std::optional<std::int64_t> amount = integer_arg(call, 2);
  if (!amount) return;
  if (*amount == std::numeric_limits<std::int64_t>::min()) {
    return call.reply.error("ERR decrement would overflow");
  }
  add_to(call, -*amount);
}

void append(Call& call) {
  ByteView key = call.args[1];
  FoundString found = find_string(call, key);
  if (found.refused || !may_write(call)) return;
  std::size_t before = found.entry ? found.entry->value.size() : 0;
  auto size_max = static_cast<std::size_t>(call.service.settings().bulk_size_max);
  if (before + call.args[2].size() > size_max) {
    return call.reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  }
  std::string& command = call.service.scratch();
  model::Keyspace::encode_append(command, key, call.args[2]);
  if (!execute(call, broker::Space::more, key, command)) return;
  call.reply.count(before + call.args[2].size());
}

void strlen_(Call& call) {
  FoundString found = find_string(call, call.args[1]);
  if (!found.refused) call.reply.count(found.entry ? found.entry->value.size() : 0);
}

constexpr std::uint32_t reads = flag::read_only | flag::fast;
constexpr std::uint32_t writes = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"get", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Returns the string value of a key.", get},
    {"set", -3, writes, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Sets the string value of a key, whatever string it held before.", set},
    {"setnx", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Sets the string value of a key only when the key does not exist.", setnx},
    {"setex", 4, writes, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.0.0",
     "Sets the string value and the expiry of a key in seconds.", setex},
    {"psetex", 4, writes, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.6.0",
     "Sets the string value and the expiry of a key in milliseconds.", psetex},
    {"getset", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Sets a new string value and returns the one before.", getset},
    {"getdel", 2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "6.2.0",
     "Returns the string value of a key and deletes it.", getdel},
    {"mget", -2, reads, Where::keys, KeyRule::range, 1, -1, 1, "string", "1.0.0",
     "Returns the string values of several keys.", mget},
    {"mset", -3, writes, Where::keys, KeyRule::range, 1, -1, 2, "string", "1.0.1",
     "Sets the string values of several keys at once.", mset},
    {"incr", 2, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Adds one to the integer in a key.", incr},
    {"decr", 2, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Takes one from the integer in a key.", decr},
    {"incrby", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Adds to the integer in a key.", incrby},
    {"decrby", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Takes from the integer in a key.", decrby},
    {"append", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.0.0",
     "Appends to the string value of a key.", append},
    {"strlen", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.2.0",
     "Returns the length of a string value.", strlen_},
};

}  // namespace

std::span<const Command> string_commands() { return rows; }

}  // namespace trv::redis
