#include "redis/scripting/engine.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <list>
#include <unordered_map>

#include "base/assert.h"
#include "redis/scripting/libraries.h"
#include "redis/scripting/run_state.h"
#include "redis/scripting/shebang.h"
#include "redis/scripting/values.h"

namespace trv::redis {

namespace {

constexpr int hook_interval = 10'000;  // instructions between two questions whether to go on

void* allocate(void* context, void* block, std::size_t old_size, std::size_t size) {
  auto& state = *static_cast<RunState*>(context);
  if (size == 0) {
    std::free(block);
    state.memory_size -= old_size;
    return nullptr;
  }
  if (size > old_size && size - old_size > state.memory_size_max - state.memory_size) {
    return nullptr;
  }
  void* moved = std::realloc(block, size);
  if (moved) state.memory_size += size - old_size;
  return moved;
}

void on_count(lua_State* lua, lua_Debug*) { end_if_wanted(lua); }

// Makes {err, source, line} of an error: the place is that of the script's own code.
int on_error(lua_State* lua) {
  lua_Debug place{};
  bool known = lua_getstack(lua, 1, &place) != 0 && lua_getinfo(lua, "Sl", &place) != 0;
  if (known && std::string_view(place.what) == "C") {
    known = lua_getstack(lua, 2, &place) != 0 && lua_getinfo(lua, "Sl", &place) != 0;
  }
  if (!lua_istable(lua, 1)) {
    std::string text = "ERR ";
    if (lua_isboolean(lua, 1)) {
      text += lua_toboolean(lua, 1) != 0 ? "true" : "false";
    } else {
      text += lua_isstring(lua, 1) != 0 ? text_at(lua, 1) : ByteView(luaL_typename(lua, 1));
    }
    lua_createtable(lua, 0, 3);
    push_text(lua, text);
    lua_setfield(lua, -2, "err");
    lua_replace(lua, 1);
  }
  lua_settop(lua, 1);
  if (known && push_behind(lua, 1)) known = false;  // an error that is no table of the script's
  lua_settop(lua, 1);
  if (known) {
    lua_pushliteral(lua, "source");
    lua_pushstring(lua, place.source);
    lua_rawset(lua, 1);
    lua_pushliteral(lua, "line");
    lua_pushinteger(lua, place.currentline);
    lua_rawset(lua, 1);
  }
  return 1;
}

std::string raw_field(lua_State* lua, const char* name) {
  lua_pushstring(lua, name);
  lua_rawget(lua, -2);
  std::string text(text_at(lua, -1));
  lua_pop(lua, 1);
  return text;
}

// The error on top of the stack as the client is told of it.
std::string error_told(lua_State* lua, const std::string& digest) {
  if (!lua_istable(lua, -1)) {
    ByteView text = lua_isstring(lua, -1) != 0 ? text_at(lua, -1) : "execution failure";
    return "ERR Error running script " + digest + ", " + std::string(text.substr(0, 100));
  }
  std::string told = raw_field(lua, "err");
  if (told.empty()) told = "ERR unknown error";
  std::string source = raw_field(lua, "source");
  std::string line = raw_field(lua, "line");
  if (!source.empty() && !line.empty()) {
    told += " script: " + digest + ", on " + source + ":" + line + ".";
  }
  return told;
}

void push_array(lua_State* lua, std::span<const ByteView> values) {
  lua_createtable(lua, static_cast<int>(values.size()), 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    push_text(lua, values[i]);
    lua_rawseti(lua, -2, static_cast<int>(i + 1));
  }
}

int refuse_unknown_global(lua_State* lua) {
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    lua_isstring(lua, 2) != 0 ? lua_tostring(lua, 2) : luaL_typename(lua, 2));
}

// Makes the tables that scripts see. Runs once, protected.
int prepare(lua_State* lua) {
  RunState& state = run_state(lua);
  lua_newtable(lua);
  state.protections = luaL_ref(lua, LUA_REGISTRYINDEX);
  lua_newtable(lua);
  open_lua_libraries(lua);
  struct Library {
    const char* name;
    void (*open)(lua_State*);
  };
  for (const Library& one : {Library{"redis", open_redis_api}, Library{"cmsgpack", open_cmsgpack},
                             Library{"struct", open_struct}, Library{"cjson", open_cjson}}) {
    one.open(lua);
    protect_table(lua);
    lua_setfield(lua, -2, one.name);
  }
  lua_newtable(lua);
  lua_pushcfunction(lua, refuse_unknown_global);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
  lua_pushvalue(lua, -1);
  state.globals = luaL_ref(lua, LUA_REGISTRYINDEX);
  lua_pushvalue(lua, -1);
  protect_table(lua);
  lua_getmetatable(lua, -1);
  lua_newtable(lua);
  protect_table(lua);
  lua_setfield(lua, -2, "__metatable");  // what getmetatable(_G) finds: a table, as in Redis
  lua_pop(lua, 1);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, -3, "_G");
  state.facade = luaL_ref(lua, LUA_REGISTRYINDEX);
  return 0;
}

}  // namespace

void end_if_wanted(lua_State* lua) {
  RunState& state = run_state(lua);
  if (!state.host) return;
  if (state.stopped.empty()) state.stopped = state.host->stop_reason();
  if (state.stopped.empty()) return;
  // A script that catches the error gets it again with its next instruction.
  lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
  push_error(lua, state.stopped);
  lua_error(lua);
}

bool ScriptEngine::names_streams(ByteView source) {
  constexpr std::array names = {"xread",  "xrange", "xrevrange", "xlen",       "xinfo",
                                "xgroup", "xack",   "xclaim",    "xautoclaim", "xpending",
                                "xdel",   "xnack",  "xtrim"};
  std::string lower(source);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return lower.find(name) != std::string::npos; });
}

struct ScriptEngine::State {
  struct Entry {
    Script script;
    std::optional<std::list<std::string>::iterator> evaluated;  // its place among them
  };
  struct Run {
    State& engine;
    const Script& script;
    const std::string& digest;
    std::span<const ByteView> keys;
    std::span<const ByteView> args;
    ReplyWriter& reply;
  };

  struct Compilation {
    ByteView code;
    int reference = 0;
  };

  explicit State(const Limits& wanted) : limits(wanted) {}

  static int compile_protected(lua_State* lua);
  static int run_protected(lua_State* lua);
  void forget(const std::string& digest);

  Limits limits;
  RunState shared;
  lua_State* lua = nullptr;
  std::unordered_map<std::string, Entry> scripts;
  std::list<std::string> evaluated;  // oldest first
  std::size_t source_size = 0;
};

ScriptEngine::ScriptEngine(const Limits& limits, std::uint64_t seed)
    : state_(std::make_unique<State>(limits)) {
  state_->shared.memory_size_max = limits.memory_size_max;
  state_->shared.seed[1] = static_cast<unsigned short>(seed);
  state_->shared.seed[2] = static_cast<unsigned short>(seed >> 16);
  state_->lua = lua_newstate(allocate, &state_->shared);
  TRV_ASSERT(state_->lua != nullptr);
  TRV_ASSERT(lua_cpcall(state_->lua, prepare, nullptr) == 0);
}

ScriptEngine::~ScriptEngine() { lua_close(state_->lua); }

std::optional<std::string> ScriptEngine::load(const std::string& digest, ByteView source,
                                              bool evaluated) {
  State& state = *state_;
  if (auto at = state.scripts.find(digest); at != state.scripts.end()) {
    State::Entry& entry = at->second;
    if (!entry.evaluated) return std::nullopt;
    if (evaluated) {
      state.evaluated.splice(state.evaluated.end(), state.evaluated, *entry.evaluated);
    } else {
      state.evaluated.erase(*entry.evaluated);
      entry.evaluated.reset();
    }
    return std::nullopt;
  }
  Result<Shebang> shebang = parse_shebang(source);
  if (!shebang) return "ERR " + shebang.error().message;
  ByteView code = source.substr(shebang->size);
  while (state.source_size + source.size() > state.limits.source_size_max) {
    if (state.evaluated.empty()) return "ERR the scripts take too much memory, use SCRIPT FLUSH";
    state.forget(std::string(state.evaluated.front()));
  }
  State::Compilation compilation{code};
  if (lua_cpcall(state.lua, State::compile_protected, &compilation) != 0) {
    std::string why(text_at(state.lua, -1));
    lua_settop(state.lua, 0);
    return "ERR Error compiling script (new function): " + why;
  }
  State::Entry entry;
  entry.script = {shebang->read_only, names_streams(code), source.size(), compilation.reference};
  if (evaluated) {
    if (state.evaluated.size() >= state.limits.evaluated_count_max) {
      state.forget(std::string(state.evaluated.front()));
    }
    entry.evaluated = state.evaluated.insert(state.evaluated.end(), digest);
  }
  state.source_size += source.size();
  state.scripts.emplace(digest, entry);
  return std::nullopt;
}

void ScriptEngine::State::forget(const std::string& digest) {
  auto at = scripts.find(digest);
  luaL_unref(lua, LUA_REGISTRYINDEX, at->second.script.reference);
  source_size -= at->second.script.source_size;
  if (at->second.evaluated) evaluated.erase(*at->second.evaluated);
  scripts.erase(at);
}

const ScriptEngine::Script* ScriptEngine::find(ByteView digest) const {
  std::string lower(digest);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  auto at = state_->scripts.find(lower);
  return at == state_->scripts.end() ? nullptr : &at->second.script;
}

int ScriptEngine::State::compile_protected(lua_State* lua) {
  Compilation& compilation = *static_cast<Compilation*>(lua_touserdata(lua, 1));
  ByteView code = compilation.code;
  if (code.starts_with('\x1b')) {
    lua_pushliteral(lua, "bytecode is not loaded");
    return lua_error(lua);
  }
  if (luaL_loadbuffer(lua, code.data(), code.size(), "@user_script") != 0) return lua_error(lua);
  compilation.reference = luaL_ref(lua, LUA_REGISTRYINDEX);
  return 0;
}

int ScriptEngine::State::run_protected(lua_State* lua) {
  Run& run = *static_cast<Run*>(lua_touserdata(lua, 1));
  RunState& shared = run.engine.shared;
  // A script may have given itself, or its thread, other globals.
  lua_rawgeti(lua, LUA_REGISTRYINDEX, shared.facade);
  lua_replace(lua, LUA_GLOBALSINDEX);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, shared.globals);
  push_array(lua, run.keys);
  lua_setfield(lua, -2, "KEYS");
  push_array(lua, run.args);
  lua_setfield(lua, -2, "ARGV");
  lua_settop(lua, 0);
  lua_pushcfunction(lua, on_error);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, run.script.reference);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, shared.facade);
  lua_setfenv(lua, -2);
  bool failed = lua_pcall(lua, 0, 1, 1) != 0;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, shared.globals);
  for (const char* name : {"KEYS", "ARGV"}) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
  lua_pop(lua, 1);
  if (failed) {
    run.reply.error(error_told(lua, run.digest));
    return 0;
  }
  std::size_t start = run.reply.out().size();
  if (!write_value(lua, run.reply, shared.protocol, run.engine.limits.reply_size_max)) {
    run.reply.out().resize(start);
    run.reply.error("ERR the reply would be too large");
  }
  return 0;
}

void ScriptEngine::run(const Script& script, const std::string& digest,
                       std::span<const ByteView> keys, std::span<const ByteView> args,
                       ScriptHost& host, ReplyWriter& reply) {
  State& state = *state_;
  TRV_ASSERT(state.shared.host == nullptr);
  state.shared.host = &host;
  state.shared.protocol = Protocol::resp2;
  state.shared.stopped.clear();
  std::size_t start = reply.out().size();
  State::Run run{state, script, digest, keys, args, reply};
  lua_sethook(state.lua, on_count, LUA_MASKCOUNT, hook_interval);
  if (lua_cpcall(state.lua, State::run_protected, &run) != 0) {
    reply.out().resize(start);
    reply.error(error_told(state.lua, digest));
  }
  lua_sethook(state.lua, nullptr, 0, 0);
  lua_settop(state.lua, 0);
  state.shared.host = nullptr;
  constexpr std::size_t garbage_max = 32u << 20;
  if (state.shared.memory_size > garbage_max) lua_gc(state.lua, LUA_GCCOLLECT, 0);
  constexpr std::size_t reply_kept_max = 1u << 20;
  if (state.shared.reply.capacity() > reply_kept_max) std::string().swap(state.shared.reply);
}

void ScriptEngine::flush() {
  while (!state_->scripts.empty()) state_->forget(std::string(state_->scripts.begin()->first));
  lua_gc(state_->lua, LUA_GCCOLLECT, 0);
}

std::size_t ScriptEngine::script_count() const { return state_->scripts.size(); }
std::size_t ScriptEngine::source_size() const { return state_->source_size; }
std::size_t ScriptEngine::memory_size() const { return state_->shared.memory_size; }

}  // namespace trv::redis
