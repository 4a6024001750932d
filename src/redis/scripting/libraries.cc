// What scripts have of Lua's own libraries: Redis's choice of them, each function that could take
// the native stack, the core or the memory behind a guard, and every table protected from changes.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "redis/scripting/libraries.h"
#include "redis/scripting/run_state.h"

extern "C" {
int luaopen_bit(lua_State*);
}

namespace trv::redis {

namespace {

int refuse_change(lua_State* lua) { return luaL_error(lua, "%s", readonly_text); }

// The guarded function, called as if it had been called itself: its errors tell the right place.
int call_original(lua_State* lua) { return lua_tocfunction(lua, lua_upvalueindex(1))(lua); }

// --- changes of tables that are not the script's ------------------------------------------------

int change_table(lua_State* lua) {
  if (lua_gettop(lua) > 0 && push_behind(lua, 1)) {
    lua_pushliteral(lua, "Attempt to modify a readonly table");
    return lua_error(lua);
  }
  return call_original(lua);
}

// A place far before the beginning would be counted down to.
int insert(lua_State* lua) {
  if (lua_gettop(lua) == 3 && lua_istable(lua, 1) && lua_isnumber(lua, 2) &&
      lua_tonumber(lua, 2) < 1) {
    return luaL_error(lua, "bad argument #2 to 'insert' (position out of bounds)");
  }
  return change_table(lua);
}

// Shows what is behind a protected table.
int look(lua_State* lua) {
  if (lua_gettop(lua) > 0 && push_behind(lua, 1)) lua_replace(lua, 1);
  return call_original(lua);
}

int pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(1));  // next
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

// --- strings
// --------------------------------------------------------------------------------------

// Matching takes the native stack for each item of the pattern.
constexpr std::size_t pattern_size_max = 4096;
constexpr std::size_t long_text = 4096;  // to match takes longer than to look at the clock

int match(lua_State* lua) {
  if (lua_type(lua, 2) == LUA_TSTRING && lua_objlen(lua, 2) > pattern_size_max) {
    return luaL_error(lua, "pattern too long");
  }
  if (lua_type(lua, 1) == LUA_TSTRING && lua_objlen(lua, 1) > long_text) end_if_wanted(lua);
  return call_original(lua);
}

int find(lua_State* lua) {
  bool plain = lua_toboolean(lua, 4) != 0 || (lua_type(lua, 2) == LUA_TSTRING &&
                                              !std::strpbrk(lua_tostring(lua, 2), "^$*+?.([%-"));
  return plain ? call_original(lua) : match(lua);
}

int repeat(lua_State* lua) {
  std::size_t size = 0;
  const char* bytes = luaL_checklstring(lua, 1, &size);
  ByteView text(bytes, size);
  auto count = static_cast<std::int64_t>(luaL_checkint(lua, 2));
  if (text.empty() || count <= 0) {
    lua_pushliteral(lua, "");
    return 1;
  }
  auto size_max = static_cast<std::int64_t>(run_state(lua).memory_size_max);
  if (count > size_max / static_cast<std::int64_t>(text.size())) {
    return luaL_error(lua, "not enough memory");
  }
  end_if_wanted(lua);
  std::string repeated;
  repeated.reserve(text.size() * static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) repeated += text;
  push_text(lua, repeated);
  return 1;
}

// --- code
// -----------------------------------------------------------------------------------------

// Compiled code could do anything.
bool is_bytecode(ByteView source) { return source.starts_with('\x1b'); }

int load_string(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING && is_bytecode(text_at(lua, 1))) {
    lua_pushnil(lua);
    lua_pushliteral(lua, "bytecode is not loaded");
    return 2;
  }
  return call_original(lua);
}

constexpr int piece_index = 3;  // where the piece being read is kept

const char* next_piece(lua_State* lua, void* context, std::size_t* size) {
  luaL_checkstack(lua, 2, "too many nested functions");
  lua_pushvalue(lua, 1);
  lua_call(lua, 0, 1);
  *size = 0;
  if (lua_isnil(lua, -1)) {
    lua_pop(lua, 1);
    return nullptr;
  }
  if (lua_isstring(lua, -1) == 0) luaL_error(lua, "reader function must return a string");
  lua_replace(lua, piece_index);
  bool& begun = *static_cast<bool*>(context);
  ByteView piece = text_at(lua, piece_index);
  if (!begun && is_bytecode(piece)) luaL_error(lua, "bytecode is not loaded");
  begun = begun || !piece.empty();
  *size = piece.size();
  return piece.data();
}

int load(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  std::string name = luaL_optstring(lua, 2, "=(load)");
  lua_settop(lua, piece_index);
  bool begun = false;
  if (lua_load(lua, next_piece, &begun, name.c_str()) == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

// --- the rest
// -------------------------------------------------------------------------------------

// Without what would last longer than the script.
int collect_garbage(lua_State* lua) {
  const char* what = luaL_optstring(lua, 1, "collect");
  for (const char* one : {"collect", "count", "step"}) {
    if (std::strcmp(what, one) == 0) return call_original(lua);
  }
  return luaL_error(lua, "collectgarbage('%s') is not allowed from script", what);
}

// An error that is a table with a text comes as the text.
int pcall(lua_State* lua) {
  luaL_checkany(lua, 1);
  bool ok = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0;
  if (!ok && lua_istable(lua, -1)) {
    lua_getfield(lua, -1, "err");
    lua_remove(lua, lua_isstring(lua, -1) != 0 ? -2 : -1);
  }
  lua_pushboolean(lua, ok ? 1 : 0);
  lua_insert(lua, 1);
  return lua_gettop(lua);
}

// The same numbers for the same seed as Redis.
int random(lua_State* lua) {
  constexpr lua_Number limit = 2147483647.0;
  lua_Number part = std::fmod(static_cast<lua_Number>(nrand48(run_state(lua).seed)), limit) / limit;
  int low = 1;
  int high = 0;
  switch (lua_gettop(lua)) {
    case 0:
      lua_pushnumber(lua, part);
      return 1;
    case 1:
      high = luaL_checkint(lua, 1);
      luaL_argcheck(lua, low <= high, 1, "interval is empty");
      break;
    case 2:
      low = luaL_checkint(lua, 1);
      high = luaL_checkint(lua, 2);
      luaL_argcheck(lua, low <= high, 2, "interval is empty");
      break;
    default:
      return luaL_error(lua, "wrong number of arguments");
  }
  lua_Number width = static_cast<lua_Number>(high) - low + 1;
  lua_pushnumber(lua, std::floor(part * width) + low);
  return 1;
}

int random_seed(lua_State* lua) {
  auto seed = static_cast<std::uint32_t>(luaL_checkint(lua, 1));
  unsigned short* state = run_state(lua).seed;
  state[0] = 0x330e;
  state[1] = static_cast<unsigned short>(seed);
  state[2] = static_cast<unsigned short>(seed >> 16);
  return 0;
}

// --- putting it together
// --------------------------------------------------------------------------

// Opens a library into Lua's own globals, where it is taken from.
void open(lua_State* lua, const char* name, lua_CFunction open_library) {
  lua_pushcfunction(lua, open_library);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

// In the table on top: the function of that name is called through the guard.
void guard(lua_State* lua, const char* name, lua_CFunction through) {
  lua_getfield(lua, -1, name);
  TRV_ASSERT(lua_iscfunction(lua, -1) != 0);
  lua_pushcclosure(lua, through, 1);
  lua_setfield(lua, -2, name);
}

void replace(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

constexpr const char* base_functions[] = {
    "xpcall",   "tostring",       "getfenv",      "setmetatable", "next",     "assert",  "tonumber",
    "rawequal", "collectgarbage", "getmetatable", "rawset",       "type",     "select",  "unpack",
    "gcinfo",   "rawget",         "loadstring",   "ipairs",       "_VERSION", "setfenv", "error",
};

// Into the globals table on top.
void take_base(lua_State* lua) {
  for (const char* name : base_functions) {
    lua_getglobal(lua, name);
    lua_setfield(lua, -2, name);
  }
  guard(lua, "setmetatable", change_table);
  guard(lua, "rawset", change_table);
  guard(lua, "rawget", look);
  guard(lua, "next", look);
  guard(lua, "collectgarbage", collect_garbage);
  guard(lua, "loadstring", load_string);
  replace(lua, "load", load);
  replace(lua, "pcall", pcall);
  lua_getfield(lua, -1, "next");
  lua_pushcclosure(lua, pairs, 1);
  lua_setfield(lua, -2, "pairs");
}

// Puts the table on top, protected, into the globals table below it.
void add_table(lua_State* lua, const char* name) {
  protect_table(lua);
  lua_setfield(lua, -2, name);
}

void take_strings(lua_State* lua) {
  lua_getglobal(lua, "string");
  guard(lua, "find", find);
  for (const char* name : {"match", "gmatch", "gsub", "gfind"}) guard(lua, name, match);
  replace(lua, "rep", repeat);
  add_table(lua, "string");
  // Methods of strings: the metatable is one for all of them.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_newtable(lua);
  lua_getfield(lua, -4, "string");
  lua_setfield(lua, -2, "__index");
  protect_table(lua);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
}

void take_tables(lua_State* lua) {
  lua_getglobal(lua, "table");
  guard(lua, "insert", insert);
  for (const char* name : {"remove", "sort", "setn"}) guard(lua, name, change_table);
  add_table(lua, "table");
}

}  // namespace

void protect_table(lua_State* lua) {
  lua_newtable(lua);  // what is shown
  lua_newtable(lua);  // its metatable
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, refuse_change);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, -2);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, run_state(lua).protections);
  lua_pushvalue(lua, -2);
  lua_pushvalue(lua, -4);
  lua_rawset(lua, -3);
  lua_pop(lua, 1);
  lua_remove(lua, -2);
}

bool push_behind(lua_State* lua, int index) {
  if (!lua_istable(lua, index)) return false;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, run_state(lua).protections);
  lua_pushvalue(lua, index);
  lua_rawget(lua, -2);
  lua_remove(lua, -2);
  if (!lua_isnil(lua, -1)) return true;
  lua_pop(lua, 1);
  return false;
}

void open_lua_libraries(lua_State* lua) {
  open(lua, "", luaopen_base);
  open(lua, LUA_STRLIBNAME, luaopen_string);
  open(lua, LUA_TABLIBNAME, luaopen_table);
  open(lua, LUA_MATHLIBNAME, luaopen_math);
  open(lua, LUA_OSLIBNAME, luaopen_os);
  open(lua, "bit", luaopen_bit);
  take_base(lua);
  take_strings(lua);
  take_tables(lua);
  lua_getglobal(lua, "math");
  replace(lua, "random", random);
  replace(lua, "randomseed", random_seed);
  add_table(lua, "math");
  for (const char* name : {"coroutine", "bit"}) {
    lua_getglobal(lua, name);
    add_table(lua, name);
  }
  lua_newtable(lua);
  lua_getglobal(lua, "os");
  lua_getfield(lua, -1, "clock");
  lua_setfield(lua, -3, "clock");
  lua_pop(lua, 1);
  add_table(lua, "os");
}

}  // namespace trv::redis
