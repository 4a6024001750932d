#include "redis/key_events.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "redis/command.h"
#include "redis/service.h"

namespace trv::redis {

namespace key_event {
namespace {

struct Letter {
  char letter;
  std::uint32_t flag;
};
// In the order in which CONFIG GET shows them.
constexpr Letter kinds[] = {{'g', generic}, {'$', string},     {'l', list},    {'s', set},
                            {'h', hash},    {'z', sorted_set}, {'x', expired}, {'e', evicted},
                            {'t', stream},  {'d', module},     {'n', created}};
constexpr Letter others[] = {{'K', keyspace}, {'E', keyevent}, {'m', miss}};
constexpr std::uint32_t all =
    generic | string | list | set | hash | sorted_set | expired | evicted | stream | module;

std::uint32_t flag_of(char letter) {
  if (letter == 'A') return all;
  for (const Letter& one : kinds) {
    if (one.letter == letter) return one.flag;
  }
  for (const Letter& one : others) {
    if (one.letter == letter) return one.flag;
  }
  return 0;
}

}  // namespace

std::optional<std::uint32_t> parse(std::string_view text) {
  std::uint32_t flags = 0;
  for (char letter : text) {
    std::uint32_t flag = flag_of(letter);
    if (flag == 0) return std::nullopt;
    flags |= flag;
  }
  return flags;
}

std::string text(std::uint32_t flags) {
  std::string out;
  const bool whole = (flags & all) == all;
  if (whole) out += 'A';
  for (const Letter& one : kinds) {
    const bool said = whole && (one.flag & all) != 0;
    if (!said && (flags & one.flag) != 0) out += one.letter;
  }
  for (const Letter& one : others) {
    if ((flags & one.flag) != 0) out += one.letter;
  }
  return out;
}

}  // namespace key_event

namespace {

using Op = model::KeyspaceOp;

struct Named {
  std::uint32_t kind;
  std::string_view name;
};

struct OpEvent {
  Op op;
  Named event;
};
// What an operation is called where the command has no name of its own for it.
constexpr OpEvent op_events[] = {
    {Op::put, {key_event::string, "set"}},
    {Op::append, {key_event::string, "append"}},
    {Op::overwrite, {key_event::string, "setrange"}},
    {Op::remove, {key_event::generic, "del"}},
    {Op::expire, {key_event::generic, "expire"}},
    {Op::persist, {key_event::generic, "persist"}},
    {Op::push_front, {key_event::list, "lpush"}},
    {Op::push_back, {key_event::list, "rpush"}},
    {Op::pop_front, {key_event::list, "lpop"}},
    {Op::pop_back, {key_event::list, "rpop"}},
    {Op::list_set, {key_event::list, "lset"}},
    {Op::list_insert, {key_event::list, "linsert"}},
    {Op::list_erase, {key_event::list, "lrem"}},
    {Op::set_add, {key_event::set, "sadd"}},
    {Op::set_remove, {key_event::set, "srem"}},
    {Op::hash_set, {key_event::hash, "hset"}},
    {Op::hash_remove, {key_event::hash, "hdel"}},
    {Op::sorted_add, {key_event::sorted_set, "zadd"}},
    {Op::sorted_remove, {key_event::sorted_set, "zrem"}},
};

constexpr std::string_view removed = "del";

struct CommandEvent {
  std::string_view command;
  Named event;
};
// What a command's changes are called, whatever operations it needs for them.
constexpr CommandEvent command_events[] = {
    {"incr", {key_event::string, "incrby"}},
    {"decr", {key_event::string, "incrby"}},
    {"incrby", {key_event::string, "incrby"}},
    {"decrby", {key_event::string, "incrby"}},
    {"incrbyfloat", {key_event::string, "incrbyfloat"}},
    {"append", {key_event::string, "append"}},
    {"setrange", {key_event::string, "setrange"}},
    {"setbit", {key_event::string, "setbit"}},
    {"bitfield", {key_event::string, "setbit"}},
    {"pfadd", {key_event::string, "pfadd"}},
    {"pfmerge", {key_event::string, "pfadd"}},
    {"hincrby", {key_event::hash, "hincrby"}},
    {"hincrbyfloat", {key_event::hash, "hincrbyfloat"}},
    {"ltrim", {key_event::list, "ltrim"}},
    {"lrem", {key_event::list, "lrem"}},
    {"lset", {key_event::list, "lset"}},
    {"linsert", {key_event::list, "linsert"}},
    {"sort", {key_event::list, "sortstore"}},
    {"spop", {key_event::set, "spop"}},
    {"sinterstore", {key_event::set, "sinterstore"}},
    {"sunionstore", {key_event::set, "sunionstore"}},
    {"sdiffstore", {key_event::set, "sdiffstore"}},
    {"zincrby", {key_event::sorted_set, "zincr"}},
    {"zpopmin", {key_event::sorted_set, "zpopmin"}},
    {"zpopmax", {key_event::sorted_set, "zpopmax"}},
    {"bzpopmin", {key_event::sorted_set, "zpopmin"}},
    {"bzpopmax", {key_event::sorted_set, "zpopmax"}},
    {"zremrangebyrank", {key_event::sorted_set, "zremrangebyrank"}},
    {"zremrangebyscore", {key_event::sorted_set, "zremrangebyscore"}},
    {"zremrangebylex", {key_event::sorted_set, "zremrangebylex"}},
    {"zunionstore", {key_event::sorted_set, "zunionstore"}},
    {"zinterstore", {key_event::sorted_set, "zinterstore"}},
    {"zdiffstore", {key_event::sorted_set, "zdiffstore"}},
    {"zrangestore", {key_event::sorted_set, "zrangestore"}},
    {"geosearchstore", {key_event::sorted_set, "geosearchstore"}},
    {"georadius", {key_event::sorted_set, "georadiusstore"}},
    {"georadiusbymember", {key_event::sorted_set, "georadiusstore"}},
    {"copy", {key_event::generic, "copy_to"}},
};

// The options of ZADD stand between the key and the first score.
bool adds_increment(const Call& call) {
  constexpr std::string_view options[] = {"nx", "xx", "gt", "lt", "ch"};
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    if (is_word(call.args[i], "incr")) return true;
    auto named = [&](std::string_view option) { return is_word(call.args[i], option); };
    if (std::none_of(std::begin(options), std::end(options), named)) return false;
  }
  return false;
}

bool has_arg(const Call& call, std::string_view word) {
  return std::any_of(call.args.begin() + 1, call.args.end(),
                     [word](ByteView arg) { return is_word(arg, word); });
}

// ZMPOP: behind the keys stands one of two words.
std::string_view popped_end(const Call& call) {
  for (std::size_t i = call.args.size(); i > 0; --i) {
    if (is_word(call.args[i - 1], "min")) return "zpopmin";
    if (is_word(call.args[i - 1], "max")) return "zpopmax";
  }
  return "zrem";
}

// What the command calls all its changes.
std::optional<Named> own_event(const Call& call) {
  std::string_view command = call.command.name;
  for (const CommandEvent& one : command_events) {
    if (one.command == command) return one.event;
  }
  if (command == "zadd" && adds_increment(call)) return Named{key_event::sorted_set, "zincr"};
  if (command == "zmpop" || command == "bzmpop") {
    return Named{key_event::sorted_set, popped_end(call)};
  }
  return std::nullopt;
}

Named event_of(const Call& call, Op op) {
  if (std::optional<Named> own = own_event(call)) {
    // Taking the last elements removes the key; storing nothing is only that.
    if (op != Op::remove || !own->name.ends_with("store")) return *own;
  }
  for (const OpEvent& one : op_events) {
    if (one.op == op) return one.event;
  }
  return {key_event::generic, removed};
}

bool sets_with_expiry(const Call& call, const KeyTouch& touch) {
  if (touch.op != Op::put || !touch.expires) return false;
  std::string_view command = call.command.name;
  if (command == "setex" || command == "psetex") return true;
  return command == "set" && !has_arg(call, "keepttl");
}

bool moves_element(std::string_view command) {
  return command == "lmove" || command == "blmove" || command == "rpoplpush" ||
         command == "brpoplpush";
}

// What became of one key in the course of a command.
struct Story {
  bool existed = false;
  bool exists = false;
  bool told = false;
  std::size_t last = 0;  // touch
};

bool is_push(const KeyTouch& touch) {
  return touch.op == Op::push_front || touch.op == Op::push_back;
}

}  // namespace

void KeyEvents::on_expired(std::string_view name, broker::Commit removal) {
  if (!wants(key_event::expired)) return;
  publish_after(removal, {{key_event::expired, "expired", std::string(name)}});
}

void KeyEvents::note(Call& call, std::uint32_t kind, std::string_view event, ByteView key) {
  // What changes in a stream is heard of here alone.
  if (kind == key_event::stream || kind == key_event::generic) {
    service_.tracking().on_changed(key, call.caller.connection);
  }
  if (wants(kind)) call.touches.push_back({std::string(key), kind, event});
}

void KeyEvents::note_miss(Call& call, ByteView key) {
  if (call.command.has(flag::read_only) && !call.retry) {
    note(call, key_event::miss, "keymiss", key);
  }
}

// The new name is made before the old one goes, but told after it.
std::vector<KeyEvents::Event> KeyEvents::renamed(const Call& call) {
  std::string from(call.args[1]);
  std::string to(call.args[2]);
  return {{key_event::created, "new", to},
          {key_event::generic, "rename_from", from},
          {key_event::generic, "rename_to", to}};
}

std::vector<KeyEvents::Event> KeyEvents::events_of(const Call& call) {
  std::vector<KeyTouch> touches = call.touches;
  std::string_view command = call.command.name;
  const bool named = touches.empty() || touches.front().kind != 0;
  if (!named && (command == "rename" || command == "renamenx")) return renamed(call);
  // An element is told to have come before it is told to have gone.
  if (moves_element(command)) std::stable_partition(touches.begin(), touches.end(), is_push);
  // In the order in which it was done; what is last is so in the order of telling.
  std::unordered_map<std::string_view, Story> stories;
  for (const KeyTouch& touch : call.touches) {
    Story& story =
        stories.try_emplace(touch.key, Story{touch.existed, false, false, 0}).first->second;
    story.exists = touch.exists;
  }
  for (std::size_t i = 0; i < touches.size(); ++i) stories.at(touches[i].key).last = i;
  std::vector<Event> events;
  for (std::size_t i = 0; i < touches.size(); ++i) {
    const KeyTouch& touch = touches[i];
    if (touch.kind != 0) {
      events.push_back({touch.kind, touch.event, touch.key});
      continue;
    }
    Story& story = stories.at(touch.key);
    const bool last = story.last == i;
    // Removed to make place for what comes.
    if (touch.op == Op::remove && !last) continue;
    const bool creates = story.exists && !story.told && (!story.existed || command == "copy");
    story.told = true;
    Named event = event_of(call, touch.op);
    // A change in several pieces is one.
    const bool again = !events.empty() && events.back().name == event.name &&
                       events.back().key == touch.key && command != "mset";
    if (creates) events.push_back({key_event::created, "new", touch.key});
    if (!again) events.push_back({event.kind, event.name, touch.key});
    if (sets_with_expiry(call, touch)) events.push_back({key_event::generic, "expire", touch.key});
    if (last && !story.exists && event.name != removed) {
      events.push_back({key_event::generic, removed, touch.key});
    }
  }
  return events;
}

void KeyEvents::tell(Call& call) {
  if (call.touches.empty()) return;
  publish_after(call.waits ? call.commit : broker::Commit{}, events_of(call));
  call.touches.clear();
}

void KeyEvents::publish_after(broker::Commit commit, std::vector<Event> events) {
  std::erase_if(events, [this](const Event& event) { return !wants(event.kind); });
  if (events.empty()) return;
  if (commit.round == 0 || service_.broker().is_durable(commit)) {
    for (const Event& event : events) publish(event);
    return;
  }
  service_.broker().when_durable(
      commit, [this, events = std::move(events)](Result<broker::Durable> result) {
        // What could not be stored has not happened.
        if (!result) return;
        for (const Event& event : events) publish(event);
      });
}

void KeyEvents::publish(const Event& event) {
  std::string name(event.name);
  if ((flags_ & key_event::keyspace) != 0) {
    service_.publish_everywhere("__keyspace@0__:" + event.key, name);
  }
  if ((flags_ & key_event::keyevent) != 0) {
    service_.publish_everywhere("__keyevent@0__:" + name, event.key);
  }
}

}  // namespace trv::redis
