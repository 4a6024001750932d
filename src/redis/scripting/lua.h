// Lua 5.1 as C++ sees it. The library is built as C++, so an error unwinds the stack and ends the
// lives of the objects on it.
#pragma once

extern "C" {
#include <lua5.1/lauxlib.h>
#include <lua5.1/lua.h>
#include <lua5.1/lualib.h>
}

#include "base/bytes.h"

namespace trv::redis {

inline void push_text(lua_State* lua, ByteView text) {
  lua_pushlstring(lua, text.data(), text.size());
}

// The string (or number) at the index; empty when it is neither.
inline ByteView text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return text ? ByteView(text, size) : ByteView();
}

}  // namespace trv::redis
