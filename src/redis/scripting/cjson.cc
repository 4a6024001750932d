// cjson, Debian's, within bounds: what one value makes is measured before it is encoded, because
// its buffer ends the process when memory does, and tables may hold others many times; nesting may
// not be set deeper than it is at first, because each level takes of the native stack.
#include <algorithm>

#include "base/assert.h"
#include "redis/scripting/libraries.h"

extern "C" {
int luaopen_cjson(lua_State*);
}

namespace trv::redis {

namespace {

constexpr int depth_max = 1000;
constexpr std::size_t number_size_max = 32;

// The most bytes that the value may become.
class Measure {
 public:
  explicit Measure(lua_State* lua) : lua_(lua) {}

  std::size_t size() const { return size_; }

  // The value on top, which stays. What is too deep or too much is not looked into.
  void add(int depth) {
    if (size_ > packed_size_max || depth > depth_max) return;
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        size_ += lua_objlen(lua_, -1) * 6 + 2;
        break;
      case LUA_TTABLE:
        add_table(depth);
        break;
      default:
        size_ += number_size_max;
    }
  }

 private:
  void add_table(int depth) {
    luaL_checkstack(lua_, 3, "in cjson.encode");
    size_ += 2;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      add(depth + 1);
      lua_pop(lua_, 1);
      if (lua_type(lua_, -1) == LUA_TNUMBER) {
        // The array may have holes, which are told.
        longest_ = std::max(longest_, lua_tonumber(lua_, -1));
        size_ += number_size_max;
      } else if (lua_type(lua_, -1) == LUA_TSTRING) {
        size_ += lua_objlen(lua_, -1) * 6 + 4;
      }
      if (size_ > packed_size_max) return lua_pop(lua_, 1);
    }
    constexpr std::size_t hole_size = 5;
    constexpr lua_Number holes_max = static_cast<lua_Number>(packed_size_max);
    size_ += static_cast<std::size_t>(std::min(longest_, holes_max)) * hole_size;
    longest_ = 0;
  }

  lua_State* lua_;
  std::size_t size_ = 0;
  lua_Number longest_ = 0;  // of the arrays whose tables are not counted yet
};

// The functions get their settings from cjson's own upvalue, so they are called, not entered.
int call_original(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  return lua_gettop(lua);
}

// Errors are told with the place of the script's call, which is not the one that cjson sees.
int call_placed(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  if (lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0) return lua_gettop(lua);
  luaL_where(lua, 1);
  lua_insert(lua, -2);
  if (lua_isstring(lua, -1) != 0) lua_concat(lua, 2);
  return lua_error(lua);
}

int encode(lua_State* lua) {
  if (lua_gettop(lua) == 1) {
    Measure measure(lua);
    measure.add(0);
    if (measure.size() > packed_size_max) {
      return luaL_error(lua, "Cannot serialise: the value is too large");
    }
  }
  return call_placed(lua);
}

int set_depth(lua_State* lua) {
  if (lua_gettop(lua) > 0 && lua_tonumber(lua, 1) > depth_max) {
    return luaL_error(lua, "bad argument #1 to a depth of cjson (at most %d)", depth_max);
  }
  return call_original(lua);
}

void wrap(lua_State* lua, const char* name, lua_CFunction around) {
  lua_getfield(lua, -1, name);
  TRV_ASSERT(lua_iscfunction(lua, -1) != 0);
  lua_pushcclosure(lua, around, 1);
  lua_setfield(lua, -2, name);
}

}  // namespace

void open_cjson(lua_State* lua) {
  lua_pushcfunction(lua, luaopen_cjson);
  lua_call(lua, 0, 1);
  wrap(lua, "encode", encode);
  wrap(lua, "decode", call_placed);
  wrap(lua, "encode_max_depth", set_depth);
  wrap(lua, "decode_max_depth", set_depth);
  // Another instance would be without these bounds.
  lua_pushnil(lua);
  lua_setfield(lua, -2, "new");
}

}  // namespace trv::redis
