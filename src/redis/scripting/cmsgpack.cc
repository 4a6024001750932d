// cmsgpack: Lua values as MessagePack, as Redis's scripts know it. Numbers that are whole become
// integers, tables whose keys are 1 to n arrays; what is nested deeper than 16 becomes nil.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "redis/scripting/libraries.h"

namespace trv::redis {

namespace {

constexpr int nesting_max = 16;

class Packer {
 public:
  explicit Packer(lua_State* lua) : lua_(lua), writer_(out_) {}

  const std::string& out() const { return out_; }

  // The value on top, which is popped.
  void pack(int level) {
    if (out_.size() > packed_size_max) luaL_error(lua_, "MessagePack output is too large");
    luaL_checkstack(lua_, 4, "in cmsgpack.pack");
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        pack_text(text_at(lua_, -1));
        break;
      case LUA_TBOOLEAN:
        writer_.u8(lua_toboolean(lua_, -1) != 0 ? 0xc3 : 0xc2);
        break;
      case LUA_TNUMBER:
        pack_number(lua_tonumber(lua_, -1));
        break;
      case LUA_TTABLE:
        if (level < nesting_max) {
          pack_table(level);
        } else {
          writer_.u8(0xc0);
        }
        break;
      default:
        writer_.u8(0xc0);
    }
    lua_pop(lua_, 1);
  }

 private:
  void pack_text(ByteView text) {
    std::size_t size = text.size();
    if (size < 32) {
      writer_.u8(static_cast<std::uint8_t>(0xa0 | size));
    } else if (size <= 0xff) {
      writer_.u8(0xd9);
      writer_.u8(static_cast<std::uint8_t>(size));
    } else {
      pack_size(size, 0xda);
    }
    out_ += text;
  }

  // In two bytes, or in four with the next mark.
  void pack_size(std::size_t size, std::uint8_t mark) {
    if (size <= 0xffff) {
      writer_.u8(mark);
      writer_.u16(static_cast<std::uint16_t>(size));
    } else {
      writer_.u8(static_cast<std::uint8_t>(mark + 1));
      writer_.u32(static_cast<std::uint32_t>(size));
    }
  }

  void pack_number(double number) {
    constexpr double limit = 9223372036854775808.0;
    bool whole = number >= -limit && number < limit && std::trunc(number) == number;
    if (whole) return pack_integer(static_cast<std::int64_t>(number));
    auto single = static_cast<float>(number);
    if (static_cast<double>(single) == number) {
      writer_.u8(0xca);
      writer_.u32(std::bit_cast<std::uint32_t>(single));
    } else {
      writer_.u8(0xcb);
      writer_.u64(std::bit_cast<std::uint64_t>(number));
    }
  }

  void pack_integer(std::int64_t value) {
    if (value >= 0) return pack_unsigned(static_cast<std::uint64_t>(value));
    if (value >= -32) {
      writer_.u8(static_cast<std::uint8_t>(value));
    } else if (value >= std::numeric_limits<std::int8_t>::min()) {
      writer_.u8(0xd0);
      writer_.u8(static_cast<std::uint8_t>(value));
    } else if (value >= std::numeric_limits<std::int16_t>::min()) {
      writer_.u8(0xd1);
      writer_.u16(static_cast<std::uint16_t>(value));
    } else if (value >= std::numeric_limits<std::int32_t>::min()) {
      writer_.u8(0xd2);
      writer_.u32(static_cast<std::uint32_t>(value));
    } else {
      writer_.u8(0xd3);
      writer_.u64(static_cast<std::uint64_t>(value));
    }
  }

  void pack_unsigned(std::uint64_t value) {
    if (value <= 0x7f) {
      writer_.u8(static_cast<std::uint8_t>(value));
    } else if (value <= 0xff) {
      writer_.u8(0xcc);
      writer_.u8(static_cast<std::uint8_t>(value));
    } else if (value <= 0xffff) {
      writer_.u8(0xcd);
      writer_.u16(static_cast<std::uint16_t>(value));
    } else if (value <= 0xffffffff) {
      writer_.u8(0xce);
      writer_.u32(static_cast<std::uint32_t>(value));
    } else {
      writer_.u8(0xcf);
      writer_.u64(value);
    }
  }

  void pack_table(int level) {
    std::size_t count = 0;
    bool array = true;
    double largest = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      ++count;
      double key = lua_type(lua_, -1) == LUA_TNUMBER ? lua_tonumber(lua_, -1) : 0;
      array = array && key > 0 && std::trunc(key) == key;
      largest = std::max(largest, key);
    }
    if (array && largest == static_cast<double>(count)) {
      pack_array(count, level);
    } else {
      pack_map(count, level);
    }
  }

  void pack_array(std::size_t count, int level) {
    if (count <= 15) {
      writer_.u8(static_cast<std::uint8_t>(0x90 | count));
    } else {
      pack_size(count, 0xdc);
    }
    for (std::size_t i = 1; i <= count; ++i) {
      lua_rawgeti(lua_, -1, static_cast<int>(i));
      pack(level + 1);
    }
  }

  void pack_map(std::size_t count, int level) {
    if (count <= 15) {
      writer_.u8(static_cast<std::uint8_t>(0x80 | count));
    } else {
      pack_size(count, 0xde);
    }
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pushvalue(lua_, -2);
      pack(level + 1);
      pack(level + 1);
    }
  }

  lua_State* lua_;
  std::string out_;
  ByteWriter writer_;
};

int pack(lua_State* lua) {
  int count = lua_gettop(lua);
  if (count == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  Packer packer(lua);
  for (int i = 1; i <= count; ++i) {
    luaL_checkstack(lua, 1, "in cmsgpack.pack");
    lua_pushvalue(lua, i);
    packer.pack(0);
  }
  push_text(lua, packer.out());
  return 1;
}

// Pushes values read from MessagePack. Errors end the script's call.
class Unpacker {
 public:
  Unpacker(lua_State* lua, ByteView input) : lua_(lua), reader_(input) {}

  std::size_t remaining() const { return reader_.remaining(); }

  void unpack() {
    luaL_checkstack(lua_, 3,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    std::uint8_t mark = reader_.u8();
    need();
    if (mark < 0x80 || mark >= 0xe0) {
      lua_pushinteger(lua_, static_cast<std::int8_t>(mark));
    } else if (mark >= 0xa0 && mark < 0xc0) {
      unpack_text(mark & 0x1f);
    } else if (mark >= 0x90 && mark < 0xa0) {
      unpack_array(mark & 0xf);
    } else if (mark < 0x90) {
      unpack_map(mark & 0xf);
    } else {
      unpack_marked(mark);
    }
  }

 private:
  void need() {
    if (!reader_.ok()) luaL_error(lua_, "Missing bytes in input.");
  }

  void push_integer(std::int64_t value) {
    need();
    lua_pushnumber(lua_, static_cast<lua_Number>(value));
  }

  void push_real(double value) {
    need();
    lua_pushnumber(lua_, value);
  }

  void unpack_marked(std::uint8_t mark) {
    switch (mark) {
      case 0xc0:
        return lua_pushnil(lua_);
      case 0xc2:
        return lua_pushboolean(lua_, 0);
      case 0xc3:
        return lua_pushboolean(lua_, 1);
      case 0xca:
        return push_real(std::bit_cast<float>(reader_.u32()));
      case 0xcb:
        return push_real(std::bit_cast<double>(reader_.u64()));
      case 0xcc:
        return push_integer(reader_.u8());
      case 0xcd:
        return push_integer(reader_.u16());
      case 0xce:
        return push_integer(reader_.u32());
      case 0xcf:  // Redis reads it as signed, too
      case 0xd3:
        return push_integer(static_cast<std::int64_t>(reader_.u64()));
      case 0xd0:
        return push_integer(static_cast<std::int8_t>(reader_.u8()));
      case 0xd1:
        return push_integer(static_cast<std::int16_t>(reader_.u16()));
      case 0xd2:
        return push_integer(static_cast<std::int32_t>(reader_.u32()));
      case 0xd9:
        return unpack_text(reader_.u8());
      case 0xda:
        return unpack_text(reader_.u16());
      case 0xdb:
        return unpack_text(reader_.u32());
      case 0xdc:
        return unpack_array(reader_.u16());
      case 0xdd:
        return unpack_array(reader_.u32());
      case 0xde:
        return unpack_map(reader_.u16());
      case 0xdf:
        return unpack_map(reader_.u32());
      default:
        luaL_error(lua_, "Bad data format in input.");
    }
  }

  void unpack_text(std::size_t size) {
    ByteView text = reader_.bytes(size);
    need();
    push_text(lua_, text);
  }

  void unpack_array(std::uint32_t count) {
    need();
    lua_newtable(lua_);
    for (std::uint32_t i = 0; i < count; ++i) {
      lua_pushnumber(lua_, static_cast<lua_Number>(i) + 1);
      unpack();
      lua_rawset(lua_, -3);
    }
  }

  void unpack_map(std::uint32_t count) {
    need();
    lua_newtable(lua_);
    for (std::uint32_t i = 0; i < count; ++i) {
      unpack();
      unpack();
      lua_settable(lua_, -3);  // refuses keys that are nil or no number
    }
  }

  lua_State* lua_;
  ByteReader reader_;
};

// At most `limit` values from `offset` on, after where the next one begins (-1: the end).
int unpack_some(lua_State* lua, ByteView input, lua_Integer limit, lua_Integer offset) {
  bool all = limit == 0 && offset == 0;
  auto size = static_cast<lua_Integer>(input.size());
  if (offset < 0 || limit < 0) {
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (offset > size) {
    return luaL_error(lua, "Start offset %d greater than input length %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  int below = lua_gettop(lua);
  if (!all) lua_pushnil(lua);
  Unpacker unpacker(lua, input.substr(static_cast<std::size_t>(offset)));
  for (lua_Integer i = 0; unpacker.remaining() > 0 && (all || i < limit); ++i) unpacker.unpack();
  if (!all) {
    auto left = static_cast<lua_Integer>(unpacker.remaining());
    lua_pushinteger(lua, left == 0 ? -1 : size - left);
    lua_replace(lua, below + 1);
  }
  return lua_gettop(lua) - below;
}

ByteView input_of(lua_State* lua) {
  std::size_t size = 0;
  const char* bytes = luaL_checklstring(lua, 1, &size);
  return {bytes, size};
}

int unpack(lua_State* lua) { return unpack_some(lua, input_of(lua), 0, 0); }

int unpack_one(lua_State* lua) {
  return unpack_some(lua, input_of(lua), 1, luaL_optinteger(lua, 2, 0));
}

int unpack_limit(lua_State* lua) {
  ByteView input = input_of(lua);
  lua_Integer limit = luaL_checkinteger(lua, 2);
  return unpack_some(lua, input, limit, luaL_optinteger(lua, 3, 0));
}

}  // namespace

void open_cmsgpack(lua_State* lua) {
  constexpr luaL_Reg functions[] = {{"pack", pack},
                                    {"unpack", unpack},
                                    {"unpack_one", unpack_one},
                                    {"unpack_limit", unpack_limit}};
  lua_newtable(lua);
  for (const luaL_Reg& one : functions) {
    lua_pushcfunction(lua, one.func);
    lua_setfield(lua, -2, one.name);
  }
  lua_pushliteral(lua, "cmsgpack");
  lua_setfield(lua, -2, "_NAME");
  lua_pushliteral(lua, "lua-cmsgpack 0.4.0");
  lua_setfield(lua, -2, "_VERSION");
}

}  // namespace trv::redis
