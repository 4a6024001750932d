#include "redis_program.h"

#include <algorithm>
#include <array>

#include "redis/session.h"

namespace trv::fuzz {
namespace {

using redis::Command;
using redis::KeyRule;

constexpr std::array<std::string_view, 10> keys{"s", "h", "l", "z",   "t",
                                                "x", "k", "y", "w_1", "{s}2"};
constexpr std::array<std::string_view, 6> channels{"c", "d", "c*", "__keyspace@0__:s", "s", "*"};
constexpr std::array<std::string_view, 4> groups{"g", "g", "i", "a"};
constexpr std::array<std::string_view, 8> ids{">", "0", "0-0", "$", "1-1", "2", "+", "5-5"};
constexpr std::array<std::string_view, 8> counts{"1", "2", "1", "3", "0", "2", "-1", "9"};
constexpr std::array<std::string_view, 6> timeouts{"0", "0.001", "0", "0.001", "-1", "x"};

constexpr std::array<std::string_view, 174> words{"0",
                                                  "1",
                                                  "-1",
                                                  "2",
                                                  "3",
                                                  "4",
                                                  "10",
                                                  "100",
                                                  "0.5",
                                                  "1.5",
                                                  "-1.5",
                                                  "inf",
                                                  "+inf",
                                                  "-inf",
                                                  "nan",
                                                  "(1",
                                                  "(2",
                                                  "[a",
                                                  "[b",
                                                  "(c",
                                                  "-",
                                                  "+",
                                                  "*",
                                                  "$",
                                                  ">",
                                                  "0-0",
                                                  "1-1",
                                                  "2-0",
                                                  "5-*",
                                                  "1-0",
                                                  "a",
                                                  "b",
                                                  "c",
                                                  "d",
                                                  "e",
                                                  "f",
                                                  "g",
                                                  "t",
                                                  "u",
                                                  "v",
                                                  "13.4",
                                                  "38.1",
                                                  "9223372036854775807",
                                                  "-9223372036854775808",
                                                  "99999999999999999999",
                                                  "ex",
                                                  "px",
                                                  "exat",
                                                  "pxat",
                                                  "nx",
                                                  "xx",
                                                  "gt",
                                                  "lt",
                                                  "ch",
                                                  "incr",
                                                  "get",
                                                  "keepttl",
                                                  "persist",
                                                  "count",
                                                  "block",
                                                  "group",
                                                  "limit",
                                                  "withscores",
                                                  "withscore",
                                                  "withvalues",
                                                  "rev",
                                                  "byscore",
                                                  "bylex",
                                                  "weights",
                                                  "aggregate",
                                                  "sum",
                                                  "min",
                                                  "max",
                                                  "store",
                                                  "match",
                                                  "type",
                                                  "left",
                                                  "right",
                                                  "before",
                                                  "after",
                                                  "maxlen",
                                                  "minid",
                                                  "~",
                                                  "=",
                                                  "mkstream",
                                                  "entriesread",
                                                  "nomkstream",
                                                  "justid",
                                                  "idle",
                                                  "time",
                                                  "retrycount",
                                                  "force",
                                                  "lastid",
                                                  "noack",
                                                  "asc",
                                                  "desc",
                                                  "alpha",
                                                  "by",
                                                  "nosort",
                                                  "#",
                                                  "km",
                                                  "m",
                                                  "fromlonlat",
                                                  "frommember",
                                                  "byradius",
                                                  "bybox",
                                                  "withdist",
                                                  "withhash",
                                                  "withcoord",
                                                  "any",
                                                  "and",
                                                  "or",
                                                  "xor",
                                                  "not",
                                                  "diff",
                                                  "u8",
                                                  "i5",
                                                  "#1",
                                                  "overflow",
                                                  "sat",
                                                  "wrap",
                                                  "fail",
                                                  "set",
                                                  "incrby",
                                                  "bit",
                                                  "byte",
                                                  "replace",
                                                  "db",
                                                  "sync",
                                                  "async",
                                                  "on",
                                                  "off",
                                                  "optin",
                                                  "optout",
                                                  "bcast",
                                                  "noloop",
                                                  "redirect",
                                                  "prefix",
                                                  "yes",
                                                  "no",
                                                  "setname",
                                                  "help",
                                                  "string",
                                                  "list",
                                                  "hash",
                                                  "zset",
                                                  "stream",
                                                  "keepref",
                                                  "delref",
                                                  "acked",
                                                  "ids",
                                                  "consumers",
                                                  "groups",
                                                  "full",
                                                  "len",
                                                  "minmatchlen",
                                                  "withmatchlen",
                                                  "idx",
                                                  "rank",
                                                  "novalues",
                                                  "storedist",
                                                  "user",
                                                  "id",
                                                  "addr",
                                                  "skipme",
                                                  "lib-name",
                                                  "lib-ver",
                                                  "silent",
                                                  "nack",
                                                  "retry",
                                                  "encoding",
                                                  "*->f",
                                                  "w_*",
                                                  "h*"};
constexpr std::array<std::string_view, 10> scripts{
    "return redis.call('get', KEYS[1])",
    "return redis.call('incr', KEYS[1])",
    "redis.call('set', KEYS[1], ARGV[1]); return redis.call('ttl', KEYS[1])",
    "return {1, 'a', {ok='fine'}, {2, false}}",
    "return redis.pcall('lpush', KEYS[1], 'a', 'b')",
    "return redis.call('xadd', KEYS[1], '*', 'f', ARGV[1])",
    "redis.setresp(3); return redis.call('hgetall', KEYS[1])",
    "return {err='no'}",
    "error('x')",
    "return cjson.encode(redis.call('lrange', KEYS[1], 0, -1))"};
// Of the scripts above.
constexpr std::array<std::string_view, 4> digests{
    "4e6d8fc8bb01276962cce5371fa795a7763657ae", "2bab3b661081db58bd2341920e0ba7cf5dc77b25",
    "1ea27c3e135e65e33660ff7a118e6e53ad69fc6d", "e7367090bfa97f9473c87c1ccf10144620c94869"};

// What they do outlives the connection, changes what replies come, or takes long.
constexpr std::array<std::string_view, 20> excluded{
    "client|reply", "client|pause",  "client|kill",  "config|set",        "config|rewrite",
    "acl|setuser",  "acl|deluser",   "acl|load",     "acl|save",          "acl|genpass",
    "command",      "command|docs",  "command|list", "command|info",      "config|get",
    "acl|cat",      "latency|graph", "script|kill",  "latency|histogram", "latency|doctor"};

// FNV-1a; its upper half.
std::uint16_t place_of(std::string_view name) {
  std::uint32_t hash = 0x811c9dc5;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x01000193;
  return static_cast<std::uint16_t>(hash >> 16);
}

bool is_key(const Command& command, std::size_t index, std::size_t count) {
  if (command.key_rule != KeyRule::range && command.key_rule != KeyRule::sorted) return false;
  const auto at = static_cast<int>(index);
  const int last =
      command.last_key < 0 ? static_cast<int>(count) + command.last_key : command.last_key;
  return at >= command.first_key && at <= last &&
         (at - command.first_key) % std::max<int>(command.key_step, 1) == 0;
}

std::string pick_word(Program& program) {
  const std::uint8_t choice = program.byte();
  if (choice >= 0xf4) return std::string(program.bytes(choice - 0xf4u));
  return std::string(choice < words.size() ? words[choice] : keys[choice % keys.size()]);
}

void add_streams(Words& request, Program& program) {
  const std::uint8_t how = program.byte();
  const std::size_t count = 1 + how % 2;
  if (request[0] == "xreadgroup") {
    request.insert(request.end(), {"group", std::string(program.pick(groups)), "a"});
  }
  if ((how & 4) != 0) request.insert(request.end(), {"count", std::string(program.pick(counts))});
  if ((how & 8) != 0) request.insert(request.end(), {"block", (how & 16) != 0 ? "1" : "0"});
  if ((how & 32) != 0) request.push_back(pick_word(program));
  request.push_back("streams");
  for (std::size_t i = 0; i < count; ++i) request.emplace_back(program.pick(keys));
  for (std::size_t i = 0; i < count; ++i) request.emplace_back(program.pick(ids));
}

// The argument at `index` of `count` words, the last ones of which may be options.
std::string pick_argument(const Command& command, std::size_t index, std::size_t count,
                          Program& program) {
  if (is_key(command, index, count)) return std::string(program.pick(keys));
  if (command.key_rule == KeyRule::counted && static_cast<int>(index) >= command.first_key) {
    if (static_cast<int>(index) == command.first_key) return std::string(program.pick(counts));
    if (static_cast<int>(index) <= command.first_key + 1) return std::string(program.pick(keys));
  }
  if (command.has(redis::flag::script)) {
    if (index == 1) {
      const bool by_digest = command.name.starts_with("evalsha");
      return std::string(by_digest ? program.pick(digests) : program.pick(scripts));
    }
  }
  if (command.name == "script|load" && index == 2) return std::string(program.pick(scripts));
  if (command.has(redis::flag::pubsub)) return std::string(program.pick(channels));
  const bool is_timeout =
      command.has(redis::flag::blocking) &&
      (index + 1 == count || (command.key_rule == KeyRule::counted && index == 1));
  if (is_timeout) return std::string(program.pick(timeouts));
  if (command.family == "stream" && index == 2 && command.name.starts_with('x')) {
    const std::uint8_t choice = program.byte();
    return std::string(choice < 0x40   ? groups[choice % groups.size()]
                       : choice < 0x80 ? ids[choice % ids.size()]
                                       : words[choice % words.size()]);
  }
  return pick_word(program);
}

}  // namespace

RedisProgram::RedisProgram(const redis::CommandTable& table) : table_(table) {
  for (const Command* command : table.all()) rows_.push_back({place_of(command->name), command});
  std::stable_sort(rows_.begin(), rows_.end(),
                   [](const Row& a, const Row& b) { return a.place < b.place; });
}

Words RedisProgram::pick_request(Program& program) const {
  const auto place = static_cast<std::uint16_t>(program.byte() << 8 | program.byte());
  auto row = std::lower_bound(rows_.begin(), rows_.end(), place,
                              [](const Row& a, std::uint16_t b) { return a.place < b; });
  const Command& command = *(row == rows_.end() ? rows_.front() : *row).command;
  Words request;
  const std::size_t bar = command.name.find('|');
  request.emplace_back(command.name.substr(0, bar));
  if (bar != std::string_view::npos) request.emplace_back(command.name.substr(bar + 1));
  if (command.key_rule == KeyRule::streams) {
    add_streams(request, program);
    return request;
  }
  const std::uint8_t more = program.byte();
  std::size_t count = static_cast<std::size_t>(std::abs(command.arity));
  if (command.arity < 0) count += more % 8;
  if (more >= 0xf8) count = more & 7;
  while (request.size() < count) {
    request.push_back(pick_argument(command, request.size(), count, program));
  }
  return request;
}

const Command* RedisProgram::find_allowed(const Words& request) const {
  const std::vector<ByteView> views(request.begin(), request.end());
  const Command* command = redis::find_command(table_, views);
  if (!command) return nullptr;
  const bool left_out =
      std::find(excluded.begin(), excluded.end(), command->name) != excluded.end();
  return left_out ? nullptr : command;
}

std::string encode_request(const Words& request) {
  std::string out = "*" + std::to_string(request.size()) + "\r\n";
  for (const std::string& word : request) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

}  // namespace trv::fuzz
