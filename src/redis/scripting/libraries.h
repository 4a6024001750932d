// The parts of the sandbox, each opened once for an interpreter. Each leaves its table on the stack
// unless it says otherwise.
#pragma once

#include "redis/scripting/lua.h"

namespace trv::redis {

// Redis's own table: redis.call and so on.
void open_redis_api(lua_State* lua);
void open_cmsgpack(lua_State* lua);
void open_struct(lua_State* lua);
// Debian's cjson, within bounds of depth and size.
void open_cjson(lua_State* lua);
// Lua's own base functions and string, table, math, coroutine and os tables, as far as scripts may
// have them, are put into the globals table on top of the stack.
void open_lua_libraries(lua_State* lua);

// Replaces the table on top by one that shows it but can not be changed.
void protect_table(lua_State* lua);
// If the value at the index is a protected table, pushes the table behind it; else pushes nothing.
bool push_behind(lua_State* lua, int index);

inline constexpr char readonly_text[] = "Attempt to modify a readonly table";
// Of what cjson and cmsgpack and struct make in one call.
inline constexpr std::size_t packed_size_max = std::size_t{64} << 20;

}  // namespace trv::redis
