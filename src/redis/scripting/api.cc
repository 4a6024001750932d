// redis.call() and the other functions of the table `redis`.
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <vector>

#include "base/assert.h"
#include "redis/scripting/libraries.h"
#include "redis/scripting/run_state.h"
#include "redis/scripting/values.h"
#include "redis/wire/number.h"
#include "redis/wire/version.h"

namespace trv::redis {

namespace {

// Ends the script with the error, unless it catches it.
int raise(lua_State* lua, ByteView text) {
  push_error(lua, text);
  return lua_error(lua);
}

// As many digits as tell the number apart from all others.
std::string number_text(lua_Number number) {
  std::array<char, 64> text;
  int size = std::snprintf(text.data(), text.size(), "%.17g", number);
  return {text.data(), static_cast<std::size_t>(size)};
}

struct Arguments {
  std::vector<ByteView> views;
  std::vector<std::string> numbers;  // that some of the views show
  std::string_view refused;
};

Arguments arguments_of(lua_State* lua) {
  Arguments all;
  int count = lua_gettop(lua);
  if (count == 0) all.refused = "Please specify at least one argument for this redis lib call";
  all.views.reserve(static_cast<std::size_t>(count));
  all.numbers.reserve(static_cast<std::size_t>(count));
  for (int i = 1; i <= count && all.refused.empty(); ++i) {
    int type = lua_type(lua, i);
    if (type == LUA_TNUMBER) {
      all.views.push_back(all.numbers.emplace_back(number_text(lua_tonumber(lua, i))));
    } else if (type == LUA_TSTRING) {
      all.views.push_back(text_at(lua, i));
    } else {
      all.refused = "Lua redis lib command arguments must be strings or integers";
    }
  }
  return all;
}

int run_command(lua_State* lua, bool raises) {
  RunState& state = run_state(lua);
  if (!state.host) return raise(lua, "redis.call/pcall can only be called inside a script");
  end_if_wanted(lua);
  Arguments args = arguments_of(lua);
  bool failed = true;
  if (!args.refused.empty()) {
    push_error(lua, args.refused);
  } else {
    state.reply.clear();
    state.host->call(args.views, state.protocol, state.reply);
    lua_settop(lua, 0);
    failed = state.reply[0] == '-';
    push_reply(lua, state.reply);
  }
  return failed && raises ? lua_error(lua) : 1;
}

int call(lua_State* lua) { return run_command(lua, true); }
int pcall(lua_State* lua) { return run_command(lua, false); }

int sha1hex(lua_State* lua) {
  if (lua_gettop(lua) != 1) return raise(lua, "wrong number of arguments");
  push_text(lua, ScriptEngine::digest_of(text_at(lua, 1)));
  return 1;
}

bool is_one_string(lua_State* lua) {
  return lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING;
}

int error_reply(lua_State* lua) {
  if (!is_one_string(lua)) {
    push_error(lua, "wrong number or type of arguments");
    return 1;
  }
  std::string text(text_at(lua, 1));
  push_error(lua, text.starts_with('-') ? text : "-" + text);
  return 1;
}

int status_reply(lua_State* lua) {
  if (!is_one_string(lua)) {
    push_error(lua, "wrong number or type of arguments");
    return 1;
  }
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "ok");
  return 1;
}

int set_resp(lua_State* lua) {
  if (lua_gettop(lua) != 1) return raise(lua, "redis.setresp() requires one argument.");
  lua_Number version = lua_tonumber(lua, 1);
  if (version != 2 && version != 3) return raise(lua, "RESP version must be 2 or 3.");
  run_state(lua).protocol = version == 2 ? Protocol::resp2 : Protocol::resp3;
  return 0;
}

constexpr int repl_aof = 1;
constexpr int repl_replica = 2;
constexpr int repl_all = repl_aof | repl_replica;

// What is stored is stored whole: to leave it out of a log that is the data itself can not be had.
int set_repl(lua_State* lua) {
  if (lua_gettop(lua) != 1) return raise(lua, "redis.set_repl() requires two arguments.");
  auto flags = static_cast<int>(lua_tonumber(lua, 1));
  if ((flags & ~repl_all) != 0) {
    return raise(lua,
                 "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  if ((flags & repl_aof) == 0) {
    return raise(lua, "redis.set_repl() without REPL_AOF is not supported: all changes are stored");
  }
  return 0;
}

int replicate_commands(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}

int acl_check_cmd(lua_State* lua) {
  RunState& state = run_state(lua);
  Arguments args = arguments_of(lua);
  if (!args.refused.empty()) return raise(lua, args.refused);
  if (!state.host || !state.host->knows(args.views)) {
    return raise(lua, "Invalid command passed to redis.acl_check_cmd()");
  }
  lua_pushboolean(lua, state.host->may(args.views) ? 1 : 0);
  return 1;
}

constexpr int log_debug = 0;
constexpr int log_verbose = 1;
constexpr int log_notice = 2;
constexpr int log_warning = 3;

int log(lua_State* lua) {
  int count = lua_gettop(lua);
  if (count < 2) return raise(lua, "redis.log() requires two arguments or more.");
  if (lua_isnumber(lua, 1) == 0) {
    return raise(lua, "First argument must be a number (log level).");
  }
  lua_Number level = lua_tonumber(lua, 1);
  if (level < log_debug || level > log_warning) return raise(lua, "Invalid debug level.");
  constexpr std::size_t line_size_max = 1024;
  std::string line;
  for (int i = 2; i <= count && line.size() < line_size_max; ++i) {
    if (lua_isstring(lua, i) == 0) continue;
    if (i > 2) line += ' ';
    line += text_at(lua, i).substr(0, line_size_max - std::min(line.size(), line_size_max));
  }
  RunState& state = run_state(lua);
  if (state.host) state.host->log(static_cast<int>(level), line);
  return 0;
}

constexpr luaL_Reg functions[] = {
    {"call", call},
    {"pcall", pcall},
    {"sha1hex", sha1hex},
    {"error_reply", error_reply},
    {"status_reply", status_reply},
    {"setresp", set_resp},
    {"set_repl", set_repl},
    {"replicate_commands", replicate_commands},
    {"acl_check_cmd", acl_check_cmd},
    {"log", log},
};

struct Number {
  const char* name;
  int value;
};
constexpr Number numbers[] = {
    {"LOG_DEBUG", log_debug},
    {"LOG_VERBOSE", log_verbose},
    {"LOG_NOTICE", log_notice},
    {"LOG_WARNING", log_warning},
    {"REPL_NONE", 0},
    {"REPL_AOF", repl_aof},
    {"REPL_SLAVE", repl_replica},
    {"REPL_REPLICA", repl_replica},
    {"REPL_ALL", repl_all},
    {"REDIS_VERSION_NUM", reported_version_number},
};

}  // namespace

std::string ScriptEngine::digest_of(ByteView source) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned size = 0;
  TRV_ASSERT(EVP_Digest(source.data(), source.size(), hash.data(), &size, EVP_sha1(), nullptr) ==
             1);
  return hex_text(ByteView(reinterpret_cast<const char*>(hash.data()), size));
}

void open_redis_api(lua_State* lua) {
  lua_newtable(lua);
  for (const luaL_Reg& one : functions) {
    lua_pushcfunction(lua, one.func);
    lua_setfield(lua, -2, one.name);
  }
  for (const Number& one : numbers) {
    lua_pushinteger(lua, one.value);
    lua_setfield(lua, -2, one.name);
  }
  push_text(lua, reported_version);
  lua_setfield(lua, -2, "REDIS_VERSION");
}

}  // namespace trv::redis
