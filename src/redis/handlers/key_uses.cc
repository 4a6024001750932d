#include "redis/handlers/key_uses.h"

#include <algorithm>

namespace trv::redis {

namespace {

constexpr std::string_view reads = "RO access";
constexpr std::string_view looks = "RO";
constexpr std::string_view changes = "RW update";
constexpr std::string_view reads_and_changes = "RW access update";
constexpr std::string_view takes = "RW access delete";
constexpr std::string_view deletes = "RW delete";
constexpr std::string_view inserts = "RW insert";
constexpr std::string_view overwrites = "OW update";
constexpr std::string_view makes = "OW insert";
constexpr std::string_view removes = "RM delete";

struct Row {
  KeyUses uses;
  std::string_view names;  // between spaces
};
// What is not here reads or, when it is a command that writes, changes all of its keys.
constexpr Row rows[] = {
    {{looks, looks},
     " exists hexists hlen hstrlen llen memory|usage object|encoding object|freq object|idletime "
     "object|refcount scard sismember strlen touch type watch xlen zcard "},
    {{reads_and_changes, reads_and_changes},
     " decr decrby eval evalsha getex getset hincrby hincrbyfloat incr incrby incrbyfloat setbit "
     "zincrby "},
    {{takes, takes},
     " blmpop blpop brpop bzmpop bzpopmax bzpopmin getdel lmpop lpop rpop spop zmpop zpopmax "
     "zpopmin "},
    {{takes, inserts}, " blmove brpoplpush lmove rpoplpush smove "},
    {{takes, overwrites}, " rename "},
    {{takes, makes}, " renamenx "},
    {{deletes, deletes},
     " hdel lrem ltrim srem xackdel xautoclaim xdel xdelex xgroup|delconsumer xgroup|destroy xtrim "
     "zrem zremrangebylex zremrangebyrank zremrangebyscore "},
    {{inserts, inserts},
     " append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd xgroup|create "
     "xgroup|createconsumer "},
    {{overwrites, reads},
     " bitop geosearchstore sdiffstore sunionstore zdiffstore zinterstore zrangestore "
     "zunionstore "},
    {{changes, reads}, " sinterstore "},
    {{reads, overwrites}, " copy georadius georadiusbymember sort "},
    {{overwrites, overwrites}, " mset psetex setex "},
    {{makes, makes}, " msetnx setnx "},
    {{removes, removes}, " del unlink "},
    {{"RW access", "RW access"}, " pfcount "},
    {{"RW access insert", reads}, " pfmerge "},
    {{reads, reads}, " xreadgroup "},
};

// The two whose options decide.
bool has_word(std::span<const ByteView> args, std::string_view word) {
  return std::any_of(args.begin(), args.end(), [word](ByteView arg) { return is_word(arg, word); });
}

}  // namespace

KeyUses key_uses(const Command& command, std::span<const ByteView> args) {
  if (command.name == "set") {
    const bool gets = has_word(args.subspan(std::min<std::size_t>(args.size(), 3)), "get");
    return gets ? KeyUses{reads_and_changes, {}} : KeyUses{overwrites, {}};
  }
  if (command.name == "bitfield") {
    const bool only_gets = args.size() <= 2 || (has_word(args, "get") && !has_word(args, "set") &&
                                                !has_word(args, "incrby"));
    return !only_gets ? KeyUses{reads_and_changes, {}} : KeyUses{reads, {}};
  }
  const std::string name = " " + std::string(command.name) + " ";
  for (const Row& row : rows) {
    if (row.names.find(name) != std::string_view::npos) return row.uses;
  }
  return command.has(flag::write) ? KeyUses{changes, changes} : KeyUses{reads, reads};
}

}  // namespace trv::redis
