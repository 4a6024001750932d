// Keys of any type: existence, deletion, type, expiry.
#include <limits>

#include "broker/shard_state.h"
#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::optional<WallTime> expiry_arg(Call& call, std::size_t index, TimeUnit unit,
                                   bool positive_only) {
  std::optional<std::int64_t> value = integer_arg(call, index);
  if (!value) return std::nullopt;
  std::int64_t ms = *value;
  bool sound = !positive_only || *value > 0;
  if (unit.seconds) sound = sound && !__builtin_mul_overflow(*value, 1000, &ms);
  if (!unit.absolute) sound = sound && !__builtin_add_overflow(ms, call.now.ms, &ms);
  if (sound) return WallTime{ms};
  call.reply.error("ERR invalid expire time in '" + std::string(call.command.name) + "' command");
  return std::nullopt;
}

namespace {

void told(Call& call, std::string_view event, ByteView key) {
  call.service.key_events().note(call, key_event::generic, event, key);
}

void del(Call& call) {
  std::int64_t removed = 0;
  for (ByteView key : call.args.subspan(1)) {
    broker::Topic* topic = call.broker.topics().find(key);
    if (topic && has_queues(*topic)) {
      return call.reply.error(queue_stays);
    }
  }
  for (ByteView key : call.args.subspan(1)) {
    model::Keyspace& keyspace = call.broker.keyspaces().of(key);
    if (const KeyEntry* entry = keyspace.find(key, call.now)) {
      shows(call, keyspace, key, entry);
      if (!remove_key(call, key)) return;
      ++removed;
    } else if (call.broker.topics().find(key)) {
      Result<broker::Commit> gone = call.broker.topics().remove(key);
      if (!gone) return write_error(call.reply, gone.error());
      call.wait_for(*gone);
      told(call, "del", key);
      ++removed;
    }
  }
  call.reply.integer(removed);
}

void exists(Call& call) {
  std::int64_t count = 0;
  for (ByteView key : call.args.subspan(1)) {
    model::Keyspace& keyspace = call.broker.keyspaces().of(key);
    const KeyEntry* entry = keyspace.find(key, call.now);
    shows(call, keyspace, key, entry);
    if (entry || call.broker.topics().find(key)) ++count;
  }
  call.reply.integer(count);
}

void type(Call& call) {
  ByteView key = call.args[1];
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (entry) {
    shows(call, keyspace, key, entry);
    call.reply.simple(type_name(entry->value.type()));
  } else {
    call.reply.simple(call.broker.topics().find(key) ? "stream" : "none");
  }
}

// --- expiry --------------------------------------------------------------------------------------

struct ExpireCondition {
  bool if_none = false;     // NX
  bool if_present = false;  // XX
  bool if_later = false;    // GT
  bool if_earlier = false;  // LT
};

bool parse_condition(Call& call, ExpireCondition& condition) {
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    ByteView arg = call.args[i];
    if (is_word(arg, "nx")) {
      condition.if_none = true;
    } else if (is_word(arg, "xx")) {
      condition.if_present = true;
    } else if (is_word(arg, "gt")) {
      condition.if_later = true;
    } else if (is_word(arg, "lt")) {
      condition.if_earlier = true;
    } else {
      call.reply.error("ERR Unsupported option " + std::string(arg));
      return false;
    }
  }
  if (condition.if_none && (condition.if_present || condition.if_later || condition.if_earlier)) {
    call.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (condition.if_later && condition.if_earlier) {
    call.reply.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

bool allows(const ExpireCondition& condition, std::optional<WallTime> present, WallTime wanted) {
  if (condition.if_none && present) return false;
  if (condition.if_present && !present) return false;
  // No expiry counts as never.
  if (condition.if_later && (!present || wanted <= *present)) return false;
  return !(condition.if_earlier && present && wanted >= *present);
}

// Who asks is told only what no crash can take back.
const std::optional<WallTime>& shown_expiry(Call& call, const broker::Topic& topic) {
  call.wait_for_shown(call.broker.tail());
  return broker::Topics::settings(topic).expires;
}

bool change_stream_expiry(Call& call, broker::Topic& topic, std::optional<WallTime> expires) {
  model::TopicSettings settings = broker::Topics::settings(topic);
  settings.expires = expires;
  return call.wait_for(call.broker.topics().change_settings(topic, settings));
}

void expire_stream(Call& call, broker::Topic& topic, const ExpireCondition& condition,
                   WallTime expires) {
  if (has_queues(topic)) return call.reply.error(queue_stays);
  if (!allows(condition, shown_expiry(call, topic), expires)) return call.reply.integer(0);
  const bool past = expires <= call.now;
  bool done = past ? call.wait_for(call.broker.topics().remove(call.args[1]))
                   : change_stream_expiry(call, topic, expires);
  if (!done) return;
  told(call, past ? "del" : "expire", call.args[1]);
  call.reply.integer(1);
}

void expire_in(Call& call, TimeUnit unit) {
  ByteView key = call.args[1];
  ExpireCondition condition;
  if (!parse_condition(call, condition)) return;
  std::optional<WallTime> expires = expiry_arg(call, 2, unit, false);
  if (!expires) return;
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (!entry) {
    if (broker::Topic* topic = call.broker.topics().find(key)) {
      return expire_stream(call, *topic, condition, *expires);
    }
  }
  shows(call, keyspace, key, entry);
  if (!entry || !allows(condition, entry->expires, *expires)) return call.reply.integer(0);
  if (*expires <= call.now) {
    if (!remove_key(call, key)) return;
  } else {
    std::string& command = call.service.scratch();
    model::Keyspace::encode_expire(command, key, *expires);
    if (!execute(call, broker::Space::more, key, command)) return;
  }
  call.reply.integer(1);
}

void expire(Call& call) { expire_in(call, {true, false}); }
void pexpire(Call& call) { expire_in(call, {false, false}); }
void expireat(Call& call) { expire_in(call, {true, true}); }
void pexpireat(Call& call) { expire_in(call, {false, true}); }

void persist(Call& call) {
  ByteView key = call.args[1];
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (!entry) {
    broker::Topic* topic = call.broker.topics().find(key);
    if (topic && shown_expiry(call, *topic)) {
      if (!change_stream_expiry(call, *topic, std::nullopt)) return;
      told(call, "persist", key);
      return call.reply.integer(1);
    }
  }
  shows(call, keyspace, key, entry);
  if (!entry || !entry->expires) return call.reply.integer(0);
  std::string& command = call.service.scratch();
  model::Keyspace::encode_persist(command, key);
  if (!execute(call, broker::Space::more, key, command)) return;
  call.reply.integer(1);
}

// -2: no such key; -1: no expiry.
void tell_expiry(Call& call, TimeUnit unit) {
  ByteView key = call.args[1];
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  shows(call, keyspace, key, entry);
  const broker::Topic* topic = entry ? nullptr : call.broker.topics().find(key);
  if (!entry && !topic) return call.reply.integer(-2);
  std::optional<WallTime> expires = entry ? entry->expires : shown_expiry(call, *topic);
  if (!expires) return call.reply.integer(-1);
  std::int64_t ms = expires->ms - (unit.absolute ? 0 : call.now.ms);
  call.reply.integer(unit.seconds ? (ms + 500) / 1000 : ms);
}

void ttl(Call& call) { tell_expiry(call, {true, false}); }
void pttl(Call& call) { tell_expiry(call, {false, false}); }
void expiretime(Call& call) { tell_expiry(call, {true, true}); }
void pexpiretime(Call& call) { tell_expiry(call, {false, true}); }

// --- everything ----------------------------------------------------------------------------------

constexpr std::string_view queues_remain =
    "ERR queues of another protocol exist, which FLUSHALL and FLUSHDB must not delete";

// Errors: in_use: a queue is in the way, nothing was removed; no_space, io_error: a part was.
Result<broker::Commit> remove_everything(broker::Broker& here) {
  std::vector<std::string> topics;
  bool queues = false;
  here.each_shard([&](broker::ShardState& shard) {
    for (const auto& [name, topic] : shard.topics) {
      queues = queues || has_queues(*topic);
      topics.push_back(name);
    }
  });
  if (queues) return Error{Errc::in_use, std::string(queues_remain.substr(4))};
  broker::Commit commit;
  for (const std::string& name : topics) {
    Result<broker::Commit> gone = here.topics().remove(name);
    if (!gone) return gone.error();
    commit = commit | *gone;
  }
  // One clear for each keyspace, under the name of one of its keys.
  std::vector<std::string> names;
  here.keyspaces().each([&](model::Keyspace& keyspace) {
    bool found = false;
    std::uint64_t cursor = 0;
    do {
      cursor = keyspace.scan(cursor, 1, [&](const KeyEntry& entry) {
        if (!found) names.push_back(entry.key);
        found = true;
      });
    } while (!found && cursor != 0);
  });
  std::string command;
  model::Keyspace::encode_clear(command);
  for (const std::string& name : names) {
    Result<broker::Commit> gone = here.keyspaces().execute(broker::Space::less, name, command);
    if (!gone) return gone.error();
    commit = commit | *gone;
  }
  return commit;
}

void flush_many(Call& call) {
  if (call.transaction) return call.reply.error(text::several_cores);
  struct Progress {
    int missing;
    Status status{};
  };
  auto progress = std::make_shared<Progress>(Progress{call.broker.core_count()});
  ReplyPlace place{call.caller.home, call.caller.connection, call.client->defer()};
  call.deferred = true;
  Service& home = call.service;
  for (int i = 0; i < call.broker.core_count(); ++i) {
    CoreIndex index(static_cast<std::uint16_t>(i));
    call.broker.at_core(index, [&home, progress, place](broker::Broker& here) {
      auto finish = [&home, progress, place](const Status& status) {
        if (progress->status) progress->status = status;
        if (--progress->missing > 0) return;
        const Status& all = progress->status;
        std::string bytes = all ? "+OK\r\n" : "-" + error_text(all.error()) + "\r\n";
        home.fulfil(place, std::move(bytes), {});
      };
      Result<broker::Commit> commit = remove_everything(here);
      home.peer_of(here).tracking().on_flush();
      if (!commit) {
        return here.post(place.home, [finish, why = Status(commit.error())] { finish(why); });
      }
      here.when_durable(*commit, [&here, place, finish](Result<broker::Durable> result) {
        Status status = result ? Status() : Status(result.error());
        here.post(place.home, [finish, status] { finish(status); });
      });
    });
  }
}

void flushall(Call& call) {
  if (call.args.size() > 2 || (call.args.size() == 2 && !is_word(call.args[1], "async") &&
                               !is_word(call.args[1], "sync"))) {
    return call.reply.error(text::syntax);
  }
  if (!call.service.single_core()) return flush_many(call);
  Result<broker::Commit> commit = remove_everything(call.broker);
  call.service.tracking().on_flush();
  if (!commit) return write_error(call.reply, commit.error());
  if (commit->round != 0) call.wait_for(*commit);
  call.reply.ok();
}

constexpr std::uint32_t reads = flag::read_only | flag::fast;

constexpr Command rows[] = {
    {"del", -2, flag::write, Where::keys, KeyRule::range, 1, -1, 1, "generic", "1.0.0",
     "Deletes one or more keys.", del},
    {"unlink", -2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, -1, 1, "generic",
     "4.0.0", "Deletes one or more keys.", del},
    {"exists", -2, reads, Where::keys, KeyRule::range, 1, -1, 1, "generic", "1.0.0",
     "Tells how many of the named keys exist.", exists},
    {"type", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "generic", "1.0.0",
     "Tells the type of the value stored at a key.", type},
    {"expire", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "generic",
     "1.0.0", "Sets the expiry of a key in seconds from now.", expire},
    {"pexpire", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "generic",
     "2.6.0", "Sets the expiry of a key in milliseconds from now.", pexpire},
    {"expireat", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "generic",
     "1.2.0", "Sets the expiry of a key as a Unix time in seconds.", expireat},
    {"pexpireat", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "generic",
     "2.6.0", "Sets the expiry of a key as a Unix time in milliseconds.", pexpireat},
    {"persist", 2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "generic",
     "2.2.0", "Takes the expiry from a key.", persist},
    {"ttl", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "generic", "1.0.0",
     "Tells the time until a key expires in seconds.", ttl},
    {"pttl", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "generic", "2.6.0",
     "Tells the time until a key expires in milliseconds.", pttl},
    {"expiretime", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "generic", "7.0.0",
     "Tells when a key expires as a Unix time in seconds.", expiretime},
    {"pexpiretime", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "generic", "7.0.0",
     "Tells when a key expires as a Unix time in milliseconds.", pexpiretime},
    {"flushall", -1, flag::write, Where::every_core, KeyRule::none, 0, 0, 0, "server", "1.0.0",
     "Deletes all keys.", flushall},
    {"flushdb", -1, flag::write, Where::every_core, KeyRule::none, 0, 0, 0, "server", "1.0.0",
     "Deletes all keys of the database.", flushall},
};

}  // namespace

std::span<const Command> key_commands() { return rows; }

}  // namespace trv::redis
