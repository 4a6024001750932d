#include "redis/scripting/values.h"

#include <charconv>
#include <cstdlib>
#include <limits>

#include "base/assert.h"
#include "redis/scripting/run_state.h"

namespace trv::redis {

namespace {

// Goes through a reply that a handler of this process has written.
class ReplyReader {
 public:
  ReplyReader(lua_State* lua, ByteView reply) : lua_(lua), rest_(reply) {}

  void push() {
    luaL_checkstack(lua_, 6, "the reply is too deep");
    char kind = rest_[0];
    ByteView line = take_line();
    switch (kind) {
      case '+':
        return push_field("ok", line);
      case '-':
        return push_error(lua_, ByteView(line.data() - 1, line.size() + 1));
      case ':':
        return lua_pushnumber(lua_, static_cast<lua_Number>(integer_of(line)));
      case '$':
        return push_bulk(line);
      case '*':
        return push_array(line);
      case '%':
        return push_map(line);
      case '~':
        return push_set(line);
      case '_':
        return lua_pushnil(lua_);
      case '#':
        return lua_pushboolean(lua_, line == "t" ? 1 : 0);
      case ',':
        lua_createtable(lua_, 0, 1);
        lua_pushnumber(lua_, std::strtod(std::string(line).c_str(), nullptr));
        return lua_setfield(lua_, -2, "double");
      case '(':
        return push_field("big_number", line);
      case '=':
        return push_verbatim(line);
      default:
        TRV_ASSERT(false);
    }
  }

 private:
  static std::int64_t integer_of(ByteView text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  // Without the first byte, which says what it is.
  ByteView take_line() {
    std::size_t end = rest_.find('\r');
    TRV_ASSERT(end != ByteView::npos);
    ByteView line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    return line;
  }

  ByteView take_bytes(ByteView size_line) {
    auto size = static_cast<std::size_t>(integer_of(size_line));
    TRV_ASSERT(size + 2 <= rest_.size());
    ByteView bytes = rest_.substr(0, size);
    rest_.remove_prefix(size + 2);
    return bytes;
  }

  void push_field(const char* name, ByteView text) {
    lua_createtable(lua_, 0, 1);
    push_text(lua_, text);
    lua_setfield(lua_, -2, name);
  }

  void push_bulk(ByteView line) {
    if (line[0] == '-') return lua_pushboolean(lua_, 0);
    push_text(lua_, take_bytes(line));
  }

  void push_verbatim(ByteView line) {
    ByteView bytes = take_bytes(line);  // "txt:..."
    lua_createtable(lua_, 0, 1);
    lua_createtable(lua_, 0, 2);
    push_text(lua_, bytes.substr(4));
    lua_setfield(lua_, -2, "string");
    push_text(lua_, bytes.substr(0, 3));
    lua_setfield(lua_, -2, "format");
    lua_setfield(lua_, -2, "verbatim_string");
  }

  void push_array(ByteView line) {
    std::int64_t count = integer_of(line);
    if (count < 0) return lua_pushboolean(lua_, 0);
    lua_createtable(lua_, static_cast<int>(count), 0);
    for (std::int64_t i = 1; i <= count; ++i) {
      push();
      lua_rawseti(lua_, -2, static_cast<int>(i));
    }
  }

  void push_map(ByteView line) {
    std::int64_t count = integer_of(line);
    lua_createtable(lua_, 0, 1);
    lua_createtable(lua_, 0, static_cast<int>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      push();
      push();
      lua_rawset(lua_, -3);
    }
    lua_setfield(lua_, -2, "map");
  }

  void push_set(ByteView line) {
    std::int64_t count = integer_of(line);
    lua_createtable(lua_, 0, 1);
    lua_createtable(lua_, 0, static_cast<int>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      push();
      lua_pushboolean(lua_, 1);
      lua_rawset(lua_, -3);
    }
    lua_setfield(lua_, -2, "set");
  }

  lua_State* lua_;
  ByteView rest_;
};

class ValueWriter {
 public:
  ValueWriter(lua_State* lua, ReplyWriter& reply, Protocol script, std::size_t size_max)
      : lua_(lua),
        reply_(reply),
        script_(script),
        start_(reply.out().size()),
        size_max_(size_max) {}

  bool fits() {
    constexpr std::size_t interval = 4096;  // values between two looks at the clock
    if (++steps_ % interval == 0) end_if_wanted(lua_);
    return reply_.out().size() - start_ <= size_max_;
  }

  // The value on top, which is popped.
  void write() {
    if (!lua_checkstack(lua_, 4)) {
      lua_pop(lua_, 1);
      return reply_.error("ERR reached lua stack limit");
    }
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        reply_.bulk(text_at(lua_, -1));
        break;
      case LUA_TBOOLEAN:
        write_boolean(lua_toboolean(lua_, -1) != 0);
        break;
      case LUA_TNUMBER:
        reply_.integer(whole(lua_tonumber(lua_, -1)));
        break;
      case LUA_TTABLE:
        write_table();
        break;
      default:
        reply_.null();
    }
    lua_pop(lua_, 1);
  }

 private:
  // As the conversion of C does it on the machines that Redis runs on.
  static std::int64_t whole(lua_Number number) {
    constexpr lua_Number limit = 9223372036854775808.0;
    if (number >= -limit && number < limit) return static_cast<std::int64_t>(number);
    return std::numeric_limits<std::int64_t>::min();
  }

  void write_boolean(bool value) {
    if (script_ == Protocol::resp3) return reply_.boolean(value);
    if (value) {
      reply_.integer(1);
    } else {
      reply_.null();
    }
  }

  // Pushes the field, without asking a metatable, if it is of the type.
  bool push_field(const char* name, int type) {
    lua_pushstring(lua_, name);
    lua_rawget(lua_, -2);
    if (lua_type(lua_, -1) == type) return true;
    lua_pop(lua_, 1);
    return false;
  }

  // Tables with certain fields stand for what Lua has no type for.
  void write_table() {
    if (push_field("err", LUA_TSTRING)) {
      reply_.error(text_at(lua_, -1));
    } else if (push_field("ok", LUA_TSTRING)) {
      reply_.simple(one_line(text_at(lua_, -1)));
    } else if (push_field("double", LUA_TNUMBER)) {
      reply_.real(lua_tonumber(lua_, -1));
    } else if (push_field("big_number", LUA_TSTRING)) {
      write_big_number(one_line(text_at(lua_, -1)));
    } else if (push_verbatim()) {
      return;
    } else if (push_field("map", LUA_TTABLE)) {
      write_pairs(true);
    } else if (push_field("set", LUA_TTABLE)) {
      write_pairs(false);
    } else {
      return write_array();
    }
    lua_pop(lua_, 1);
  }

  static std::string one_line(ByteView text) {
    std::string line(text);
    for (char& c : line) c = c == '\r' || c == '\n' ? ' ' : c;
    return line;
  }

  void write_big_number(const std::string& digits) {
    if (reply_.protocol() == Protocol::resp2) return reply_.bulk(digits);
    reply_.out() += "(" + digits + "\r\n";
  }

  // {verbatim_string = {format = ..., string = ...}}: written, with nothing left on the stack.
  bool push_verbatim() {
    if (!push_field("verbatim_string", LUA_TTABLE)) return false;
    bool whole_one = false;
    if (push_field("format", LUA_TSTRING)) {
      std::string format(text_at(lua_, -1));
      lua_pop(lua_, 1);
      if (push_field("string", LUA_TSTRING)) {
        write_verbatim(format, text_at(lua_, -1));
        lua_pop(lua_, 1);
        whole_one = true;
      }
    }
    lua_pop(lua_, 1);
    return whole_one;
  }

  void write_verbatim(std::string format, ByteView text) {
    if (reply_.protocol() == Protocol::resp2) return reply_.bulk(text);
    format.resize(3, ' ');
    reply_.out() += "=" + std::to_string(text.size() + 4) + "\r\n" + one_line(format) + ":";
    reply_.out() += text;
    reply_.out() += "\r\n";
  }

  std::size_t count_pairs() {
    std::size_t count = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      ++count;
    }
    return count;
  }

  // Of the table on top: its keys, and its values if wanted.
  void write_pairs(bool with_values) {
    if (with_values) {
      reply_.map(count_pairs());
    } else {
      reply_.set(count_pairs());
    }
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      if (!fits()) return lua_pop(lua_, 2);
      if (!with_values) lua_pop(lua_, 1);
      lua_pushvalue(lua_, with_values ? -2 : -1);
      write();
      if (with_values) write();
    }
  }

  // Up to the first nil. Counted first: a count that is inserted later would move what is nested.
  void write_array() {
    int count = 0;
    while (has_element(count + 1)) ++count;
    reply_.array(static_cast<std::size_t>(count));
    for (int i = 1; i <= count && fits(); ++i) {
      lua_rawgeti(lua_, -1, i);
      write();
    }
  }

  bool has_element(int index) {
    lua_rawgeti(lua_, -1, index);
    bool there = !lua_isnil(lua_, -1);
    lua_pop(lua_, 1);
    return there;
  }

  lua_State* lua_;
  ReplyWriter& reply_;
  Protocol script_;
  std::size_t start_;
  std::size_t size_max_;
  std::size_t steps_ = 0;
};

}  // namespace

void push_reply(lua_State* lua, ByteView reply) { ReplyReader(lua, reply).push(); }

void push_error(lua_State* lua, ByteView text) {
  std::string whole = "ERR ";
  std::size_t blank = text.find(' ');
  if (text.empty() || text[0] != '-') {
    whole += text;
  } else if (blank == ByteView::npos) {
    whole += text.substr(1);
  } else {
    whole = text.substr(1);
  }
  while (whole.ends_with('\n') || whole.ends_with('\r')) whole.pop_back();
  lua_createtable(lua, 0, 1);
  push_text(lua, whole);
  lua_setfield(lua, -2, "err");
}

bool write_value(lua_State* lua, ReplyWriter& reply, Protocol script, std::size_t size_max) {
  ValueWriter writer(lua, reply, script, size_max);
  writer.write();
  return writer.fits();
}

}  // namespace trv::redis
