// Keys of any type: renaming, copying, picking, and what is known of how they are kept.
#include <algorithm>
#include <chrono>

#include "broker/shard_state.h"
#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/handlers/stream_moves.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

// The key that is renamed or copied: one of both, or neither.
struct Source {
  const KeyEntry* entry = nullptr;
  broker::Topic* stream = nullptr;

  bool missing() const { return !entry && !stream; }
};

Source find_source_key(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  shows(call, keyspace, key, entry);
  return {entry, entry ? nullptr : call.broker.topics().find(key)};
}

bool exists(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  shows(call, keyspace, key, entry);
  return entry || call.broker.topics().find(key);
}

// --- RENAME, COPY --------------------------------------------------------------------------------

// False after an error reply, or when the command waits.
bool move_key(Call& call, const Source& source) {
  if (source.stream) return copy_stream(call, *source.stream, true);
  Change change(call);
  if (!replace_key(call, change, call.args[2])) return false;
  change.copy(*source.entry, call.args[2]);
  change.remove(call.args[1]);
  return change.store(broker::Space::more);
}

void rename(Call& call) {
  Source source = find_source_key(call, call.args[1]);
  if (source.missing()) return call.reply.error(text::no_such_key);
  if (call.args[1] == call.args[2] || move_key(call, source)) call.reply.ok();
}

void renamenx(Call& call) {
  Source source = find_source_key(call, call.args[1]);
  if (source.missing()) return call.reply.error(text::no_such_key);
  if (exists(call, call.args[2])) return call.reply.integer(0);
  if (move_key(call, source)) call.reply.integer(1);
}

void copy(Call& call) {
  bool replace = false;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    if (is_word(call.args[i], "replace")) {
      replace = true;
    } else if (is_word(call.args[i], "db") && i + 1 < call.args.size()) {
      std::optional<std::int64_t> db = integer_arg(call, ++i);
      if (!db) return;
      if (*db != 0) return call.reply.error(text::db_index);
    } else {
      return call.reply.error(text::syntax);
    }
  }
  if (call.args[1] == call.args[2]) {
    return call.reply.error("ERR source and destination objects are the same");
  }
  Source source = find_source_key(call, call.args[1]);
  if (source.missing() || (!replace && exists(call, call.args[2]))) return call.reply.integer(0);
  if (source.stream) {
    if (copy_stream(call, *source.stream, false)) call.reply.integer(1);
    return;
  }
  Change change(call);
  if (!replace_key(call, change, call.args[2])) return;
  change.copy(*source.entry, call.args[2]);
  if (change.store(broker::Space::more)) call.reply.integer(1);
}

void touch(Call& call) {
  std::int64_t count = 0;
  for (ByteView key : call.args.subspan(1)) {
    count += exists(call, key) ? 1 : 0;
    // Also for a client that has asked for no touching: now it asks for it.
    const KeyEntry* entry = call.broker.keyspaces().of(key).find(key, call.now);
    if (entry) entry->used = call.now;
  }
  call.reply.integer(count);
}

// --- RANDOMKEY -----------------------------------------------------------------------------------

// One name of this core, and among how many it was chosen.
struct Pick {
  std::string name;
  std::uint64_t of = 0;
};

std::string topic_name_at(const broker::ShardState& shard, std::uint64_t index) {
  for (const auto& [name, topic] : shard.topics) {
    if (index-- == 0) return name;
  }
  return {};
}

Pick pick_here(Service& service, WallTime now) {
  constexpr int tries_max = 100;  // when most have expired
  Pick pick;
  service.broker().each_shard(
      [&](broker::ShardState& shard) { pick.of += shard.keyspace.size() + shard.topics.size(); });
  for (int tries = 0; tries < tries_max && pick.of > 0 && pick.name.empty(); ++tries) {
    std::uint64_t index = service.random()() % pick.of;
    bool done = false;
    service.broker().each_shard([&](broker::ShardState& shard) {
      if (done) return;
      std::uint64_t keys = shard.keyspace.size();
      std::uint64_t all = keys + shard.topics.size();
      done = index < all;
      if (!done) {
        index -= all;
      } else if (index >= keys) {
        pick.name = topic_name_at(shard, index - keys);
        if (!service.broker().topics().find(pick.name)) pick.name.clear();
      } else {
        const KeyEntry* entry = shard.keyspace.pick(service.random()());
        if (!entry->expires || *entry->expires > now) pick.name = entry->key;
      }
    });
  }
  if (pick.name.empty()) pick.of = 0;
  return pick;
}

void randomkey(Call& call) {
  call.service.gather(
      call, [now = call.now](Service& service) { return pick_here(service, now); },
      [random = call.service.random()()](std::vector<Pick> picks, ReplyWriter& reply) {
        std::uint64_t all = 0;
        for (const Pick& pick : picks) all += pick.of;
        if (all == 0) return reply.null();
        std::uint64_t index = random % all;
        for (const Pick& pick : picks) {
          if (index < pick.of) return reply.bulk(pick.name);
          index -= pick.of;
        }
      });
}

// --- OBJECT, MEMORY ------------------------------------------------------------------------------

template <class Table>
bool names_fit(const Table& table, std::size_t size_max) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table.at(i).name.size() > size_max) return false;
  }
  return true;
}

std::string_view string_encoding(const std::string& text) {
  constexpr std::size_t embedded_max = 44;
  if (text.size() <= integer_text_max && parse_integer(text)) return "int";
  return text.size() <= embedded_max ? "embstr" : "raw";
}

// What Redis 7.0 would call a value of this content, made in one go. It says nothing of how the
// value is kept here.
std::string_view encoding_of(const model::Value& value, const EncodingSettings& settings) {
  std::size_t size = value.size();
  if (value.is_string()) return string_encoding(value.text());
  if (value.as<model::List>()) return "quicklist";
  if (const auto* set = value.as<model::Set>()) {
    if (size > settings.set_integers_max) return "hashtable";
    for (std::size_t i = 0; i < size; ++i) {
      if (!parse_integer(set->members().at(i).name)) return "hashtable";
    }
    return "intset";
  }
  if (const auto* hash = value.as<model::Hash>()) {
    const auto& fields = hash->fields();
    if (size > settings.hash_fields_max || !names_fit(fields, settings.hash_value_size_max)) {
      return "hashtable";
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (fields.at(i).value.size() > settings.hash_value_size_max) return "hashtable";
    }
    return "listpack";
  }
  const auto& members = value.as<model::SortedSet>()->members();
  bool small =
      size <= settings.sorted_members_max && names_fit(members, settings.sorted_value_size_max);
  return small ? "listpack" : "skiplist";
}

struct Looked {
  const KeyEntry* entry = nullptr;
  bool stream = false;
  bool missing = false;
};

Looked look(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  shows(call, keyspace, key, entry);
  bool stream = !entry && call.broker.topics().find(key);
  return {entry, stream, !entry && !stream};
}

void object_encoding(Call& call) {
  Looked found = look(call, call.args[2]);
  if (found.missing) return call.reply.null();
  if (found.stream) return call.reply.bulk("stream");
  call.reply.bulk(encoding_of(found.entry->value, call.service.settings().encodings));
}

// Nothing is shared: every value belongs to its key alone.
void object_refcount(Call& call) {
  if (look(call, call.args[2]).missing) return call.reply.null();
  call.reply.integer(1);
}

void object_idletime(Call& call) {
  Looked found = look(call, call.args[2]);
  if (found.missing) return call.reply.null();
  if (found.stream) return call.reply.error("ERR the idle time of a stream is not known");
  // What was used before the start is not remembered.
  const auto up = std::chrono::duration_cast<std::chrono::milliseconds>(call.broker.core().now() -
                                                                        call.service.started());
  const std::int64_t idle = call.now.ms - found.entry->used.ms;
  call.reply.integer(std::clamp<std::int64_t>(idle, 0, up.count()) / 1000);
}

void object_freq(Call& call) {
  if (look(call, call.args[2]).missing) return call.reply.null();
  call.reply.error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

// About: the bytes of the client, and what keeping them takes.
std::uint64_t memory_of(const KeyEntry& entry) {
  std::uint64_t each = 0;
  constexpr std::uint64_t links = 64;  // buckets, pointers and the allocator's own
  switch (entry.value.type()) {
    case model::ValueType::string:
      break;
    case model::ValueType::list:
      each = sizeof(std::string);
      break;
    case model::ValueType::set:
      each = sizeof(model::SetMember) + links;
      break;
    case model::ValueType::hash:
      each = sizeof(model::HashField) + links;
      break;
    case model::ValueType::sorted_set:
      each = sizeof(model::SortedMember) + links;
      break;
  }
  std::uint64_t members = each == 0 ? 0 : entry.value.size() * each;
  return sizeof(KeyEntry) + links + entry.key.size() + entry.value.byte_size() + members;
}

void memory_usage(Call& call) {
  for (std::size_t i = 3; i < call.args.size(); i += 2) {
    if (!is_word(call.args[i], "samples") || i + 1 == call.args.size()) {
      return call.reply.error(text::syntax);
    }
    std::optional<std::int64_t> samples = integer_arg(call, i + 1);
    if (!samples) return;
    if (*samples < 0) return call.reply.error(text::syntax);
  }
  Looked found = look(call, call.args[2]);
  if (found.missing) return call.reply.null();
  if (found.stream) {
    return call.reply.error("ERR the memory of a stream is not counted: its entries are on disk");
  }
  call.reply.count(memory_of(*found.entry));
}

constexpr std::uint32_t reads = flag::read_only;
// They take records from a log to another one, and may wait for those that are not stored yet.
constexpr std::uint32_t moves = flag::write | flag::reads_log | flag::appends | flag::blocking;

constexpr Command rows[] = {
    {"rename", 3, moves, Where::keys, KeyRule::range, 1, 2, 1, "generic", "1.0.0",
     "Renames a key, whatever has the new name.", rename},
    {"renamenx", 3, moves | flag::fast, Where::keys, KeyRule::range, 1, 2, 1, "generic", "1.0.0",
     "Renames a key when the new name is free.", renamenx},
    {"copy", -3, moves | flag::deny_oom, Where::keys, KeyRule::range, 1, 2, 1, "generic", "6.2.0",
     "Copies the value of a key to another one.", copy},
    {"touch", -2, reads | flag::fast, Where::keys, KeyRule::range, 1, -1, 1, "generic", "3.2.1",
     "Tells how many of the named keys exist.", touch},
    {"randomkey", 1, reads, Where::every_core, KeyRule::none, 0, 0, 0, "generic", "1.0.0",
     "Returns the name of a random key.", randomkey},
    {"object", -2, flag::container, Where::session, KeyRule::none, 0, 0, 0, "generic", "2.2.3",
     "A container for commands about how values are kept.", nullptr},
    {"object|encoding", 3, reads, Where::keys, KeyRule::range, 2, 2, 1, "generic", "2.2.3",
     "Tells what Redis calls a value of this kind and size.", object_encoding},
    {"object|refcount", 3, reads, Where::keys, KeyRule::range, 2, 2, 1, "generic", "2.2.3",
     "Tells how many keys share the value: 1.", object_refcount},
    {"object|idletime", 3, reads, Where::keys, KeyRule::range, 2, 2, 1, "generic", "2.2.3",
     "Tells for how many seconds the key has not been used.", object_idletime},
    {"object|freq", 3, reads, Where::keys, KeyRule::range, 2, 2, 1, "generic", "4.0.0",
     "Answers that uses are not counted.", object_freq},
    {"memory", -2, flag::container, Where::session, KeyRule::none, 0, 0, 0, "server", "4.0.0",
     "A container for commands about memory.", nullptr},
    {"memory|usage", -3, reads, Where::keys, KeyRule::range, 2, 2, 1, "server", "4.0.0",
     "Estimates the memory that a key takes.", memory_usage},
};

}  // namespace

std::span<const Command> key_move_commands() { return rows; }

}  // namespace trv::redis
