#include "redis/access/key_needs.h"

#include <algorithm>
#include <array>

namespace trv::redis {

namespace {

constexpr std::uint8_t both = need::read | need::write;
constexpr std::uint8_t gone = need::write | need::remove;

struct Row {
  std::string_view command;
  KeyNeeds needs;
};

// Where it is not what the command's flags say: to read, or to read and write all of its keys.
constexpr auto rows = std::to_array<Row>({
    // Something about the key, nothing of what is in it.
    {"exists", {need::nothing, need::nothing}},
    {"type", {need::nothing, need::nothing}},
    {"touch", {need::nothing, need::nothing}},
    {"watch", {need::nothing, need::nothing}},
    {"strlen", {need::nothing, need::nothing}},
    {"llen", {need::nothing, need::nothing}},
    {"scard", {need::nothing, need::nothing}},
    {"sismember", {need::nothing, need::nothing}},
    {"zcard", {need::nothing, need::nothing}},
    {"hlen", {need::nothing, need::nothing}},
    {"hexists", {need::nothing, need::nothing}},
    {"hstrlen", {need::nothing, need::nothing}},
    {"xlen", {need::nothing, need::nothing}},
    {"object|encoding", {need::nothing, need::nothing}},
    {"object|refcount", {need::nothing, need::nothing}},
    {"object|freq", {need::nothing, need::nothing}},
    {"object|idletime", {need::nothing, need::nothing}},
    {"memory|usage", {need::nothing, need::nothing}},
    // Written, and nothing of what was there is shown.
    {"setnx", {need::write, need::write}},
    {"msetnx", {need::write, need::write}},
    {"setex", {need::write, need::write}},
    {"psetex", {need::write, need::write}},
    {"mset", {need::write, need::write}},
    {"append", {need::write, need::write}},
    {"setrange", {need::write, need::write}},
    {"expire", {need::write, need::write}},
    {"pexpire", {need::write, need::write}},
    {"expireat", {need::write, need::write}},
    {"pexpireat", {need::write, need::write}},
    {"persist", {need::write, need::write}},
    {"sadd", {need::write, need::write}},
    {"srem", {need::write, need::write}},
    {"hset", {need::write, need::write}},
    {"hmset", {need::write, need::write}},
    {"hsetnx", {need::write, need::write}},
    {"hdel", {need::write, need::write}},
    {"lpush", {need::write, need::write}},
    {"rpush", {need::write, need::write}},
    {"lpushx", {need::write, need::write}},
    {"rpushx", {need::write, need::write}},
    {"linsert", {need::write, need::write}},
    {"lset", {need::write, need::write}},
    {"lrem", {need::write, need::write}},
    {"ltrim", {need::write, need::write}},
    {"zadd", {need::write, need::write}},
    {"zrem", {need::write, need::write}},
    {"zremrangebyrank", {need::write, need::write}},
    {"zremrangebyscore", {need::write, need::write}},
    {"zremrangebylex", {need::write, need::write}},
    {"geoadd", {need::write, need::write}},
    {"pfadd", {need::write, need::write}},
    {"xadd", {need::write, need::write}},
    {"xdel", {need::write, need::write}},
    {"xdelex", {need::write, need::write}},
    {"xtrim", {need::write, need::write}},
    {"xsetid", {need::write, need::write}},
    {"xcfgset", {need::write, need::write}},
    {"xack", {need::write, need::write}},
    {"xackdel", {need::write, need::write}},
    {"xnack", {need::write, need::write}},
    {"xclaim", {need::write, need::write}},
    {"xautoclaim", {need::write, need::write}},
    {"xgroup|create", {need::write, need::write}},
    {"xgroup|createconsumer", {need::write, need::write}},
    {"xgroup|setid", {need::write, need::write}},
    {"xgroup|destroy", {need::write, need::write}},
    {"xgroup|delconsumer", {need::write, need::write}},
    {"del", {gone, gone}},
    {"unlink", {gone, gone}},
    {"getdel", {need::read | gone, need::nothing}},
    // Shown, though its row says that it writes.
    {"pfcount", {need::read, need::read}},
    {"xreadgroup", {need::read, need::read}},
    // The first is made from the others.
    {"zrangestore", {need::write, need::read}},
    {"sinterstore", {need::write, need::read}},
    {"sunionstore", {need::write, need::read}},
    {"sdiffstore", {need::write, need::read}},
    {"zinterstore", {need::write, need::read}},
    {"zunionstore", {need::write, need::read}},
    {"zdiffstore", {need::write, need::read}},
    {"geosearchstore", {need::write, need::read}},
    {"bitop", {need::write, need::read}},
    {"pfmerge", {both, need::read}},
    // From the first to the second.
    {"copy", {need::read, need::write}},
    {"sort", {need::read, need::write}},
    {"georadius", {need::read, need::write}},
    {"georadiusbymember", {need::read, need::write}},
    {"rename", {need::read | gone, need::write}},
    {"renamenx", {need::read | gone, need::write}},
    {"smove", {both, need::write}},
    {"lmove", {both, need::write}},
    {"blmove", {both, need::write}},
    {"rpoplpush", {both, need::write}},
    {"brpoplpush", {both, need::write}},
});

// By the names of the commands: each check of a key looks here.
constexpr auto by_command = [] {
  auto sorted = rows;
  std::sort(sorted.begin(), sorted.end(),
            [](const Row& a, const Row& b) { return a.command < b.command; });
  return sorted;
}();

bool has_word(std::span<const ByteView> args, std::size_t from, std::string_view word) {
  for (std::size_t i = from; i < args.size(); ++i) {
    if (is_word(args[i], word)) return true;
  }
  return false;
}

}  // namespace

KeyNeeds key_needs(const Command& command, std::span<const ByteView> args) {
  const auto* row =
      std::lower_bound(by_command.begin(), by_command.end(), command.name,
                       [](const Row& one, std::string_view name) { return one.command < name; });
  if (row != by_command.end() && row->command == command.name) return row->needs;
  // As Redis tells these apart: by what they ask for.
  if (command.name == "set") {
    return has_word(args, 3, "get") ? KeyNeeds{both, both} : KeyNeeds{need::write, need::write};
  }
  if (command.name == "bitfield") {
    const bool writes = has_word(args, 2, "set") || has_word(args, 2, "incrby");
    return writes ? KeyNeeds{both, both} : KeyNeeds{need::read, need::read};
  }
  if (command.has(flag::read_only)) return {need::read, need::read};
  return {both, both};
}

}  // namespace trv::redis
