// struct: numbers and strings as bytes by a format, as Redis's scripts know it.
//
//   > < ! ![n]     big endian, little endian, alignment (a power of two; without a number: 8)
//   x              a zero byte
//   b B h H l L T  signed and unsigned integers of 1, 2, 8 bytes; T as L
//   i[n] I[n]      integers of n bytes (4 when not said; at most 32)
//   f d            4 and 8 byte floating point
//   s              a string that ends with a zero byte
//   c[n]           n bytes (1 when not said); c0: all of the string, or as many as were just read
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "redis/scripting/libraries.h"

namespace trv::redis {

namespace {

constexpr std::size_t integer_size_max = 32;
constexpr std::size_t native_alignment = 8;

struct Option {
  char kind = 0;
  std::size_t size = 0;
  std::size_t padding = 0;  // before it
};

// Goes through a format and keeps what its options change.
class Format {
 public:
  Format(lua_State* lua, const char* text) : lua_(lua), rest_(text) {}

  bool done() const { return *rest_ == '\0'; }
  bool little_endian() const { return little_endian_; }

  // `position`: how many bytes are before it.
  Option next(std::size_t position) {
    Option option;
    option.kind = *rest_++;
    option.size = size_of(option.kind);
    option.padding = padding_of(option, position);
    return option;
  }

  // Of what is no value.
  void control(char kind) {
    switch (kind) {
      case ' ':
        return;
      case '>':
        little_endian_ = false;
        return;
      case '<':
        little_endian_ = true;
        return;
      case '!': {
        std::size_t size = number(native_alignment);
        if (size == 0 || (size & (size - 1)) != 0) {
          luaL_error(lua_, "alignment %d is not a power of 2", static_cast<int>(size));
        }
        alignment_ = size;
        return;
      }
      default:
        luaL_argerror(lua_, 1, lua_pushfstring(lua_, "invalid format option '%c'", kind));
    }
  }

 private:
  std::size_t number(std::size_t otherwise) {
    if (std::isdigit(static_cast<unsigned char>(*rest_)) == 0) return otherwise;
    std::int64_t value = 0;
    while (std::isdigit(static_cast<unsigned char>(*rest_)) != 0) {
      value = value * 10 + (*rest_++ - '0');
      if (value > std::numeric_limits<int>::max()) luaL_error(lua_, "integral size overflow");
    }
    return static_cast<std::size_t>(value);
  }

  std::size_t size_of(char kind) {
    switch (kind) {
      case 'b':
      case 'B':
      case 'x':
        return 1;
      case 'h':
      case 'H':
        return 2;
      case 'f':
        return 4;
      case 'l':
      case 'L':
      case 'T':
      case 'd':
        return 8;
      case 'c':
        return number(1);
      case 'i':
      case 'I': {
        std::size_t size = number(4);
        if (size > integer_size_max) {
          luaL_error(lua_, "integral size %d is larger than limit of %d", static_cast<int>(size),
                     static_cast<int>(integer_size_max));
        }
        return size;
      }
      default:
        return 0;
    }
  }

  std::size_t padding_of(const Option& option, std::size_t position) const {
    if (option.size == 0 || option.kind == 'c') return 0;
    std::size_t size = std::min(option.size, alignment_);
    return (size - (position & (size - 1))) & (size - 1);
  }

  lua_State* lua_;
  const char* rest_;
  bool little_endian_ = true;
  std::size_t alignment_ = 1;
};

// To the order of the bytes that is wanted, or back.
void order(std::string& bytes, bool little_endian) {
  if (!little_endian) std::reverse(bytes.begin(), bytes.end());
}

std::uint64_t bits_of(lua_Number number) {
  constexpr lua_Number limit = 9223372036854775808.0;
  if (number >= -limit && number < limit) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(number));
  }
  if (number >= limit && number < 2 * limit) return static_cast<std::uint64_t>(number);
  return std::uint64_t{1} << 63;
}

std::string packed_integer(lua_Number number, std::size_t size) {
  std::uint64_t bits = bits_of(number);
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes += static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  return bytes;
}

template <class T>
std::string packed_real(lua_Number number) {
  T value = static_cast<T>(number);
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

void pack_text(lua_State* lua, const Option& option, int index, std::string& out) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  std::size_t wanted = option.size == 0 ? size : option.size;
  luaL_argcheck(lua, size >= wanted, index + 1, "string too short");
  out.append(text, wanted);
  if (option.kind == 's') out += '\0';
}

int pack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  std::string out;
  int index = 2;
  while (!format.done()) {
    Option option = format.next(out.size());
    if (option.padding + option.size > packed_size_max || out.size() > packed_size_max) {
      return luaL_error(lua, "the packed data is too large");
    }
    out.append(option.padding, '\0');
    std::string bytes;
    switch (option.kind) {
      case 'x':
        out += '\0';
        break;
      case 'f':
        bytes = packed_real<float>(luaL_checknumber(lua, index++));
        break;
      case 'd':
        bytes = packed_real<double>(luaL_checknumber(lua, index++));
        break;
      case 'c':
      case 's':
        pack_text(lua, option, index++, out);
        break;
      default:
        if (std::strchr("bBhHlLTiI", option.kind)) {
          bytes = packed_integer(luaL_checknumber(lua, index++), option.size);
        } else {
          format.control(option.kind);
        }
    }
    order(bytes, format.little_endian());
    out += bytes;
  }
  push_text(lua, out);
  return 1;
}

lua_Number unpacked_integer(const std::string& bytes, bool is_signed) {
  std::uint64_t bits = 0;
  for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i > 0; --i) {
    bits = bits << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  if (!is_signed) return static_cast<lua_Number>(bits);
  if (bytes.size() < 8 && !bytes.empty()) {
    std::uint64_t sign = std::uint64_t{1} << (bytes.size() * 8 - 1);
    if ((bits & sign) != 0) bits |= ~(sign - 1);
  }
  return static_cast<lua_Number>(static_cast<std::int64_t>(bits));
}

template <class T>
lua_Number unpacked_real(const std::string& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return static_cast<lua_Number>(value);
}

// c0: as many bytes as the number says that was read before it.
std::size_t size_read_before(lua_State* lua, int below, std::size_t most) {
  if (lua_gettop(lua) == below || lua_isnumber(lua, -1) == 0) {
    luaL_error(lua, "format 'c0' needs a previous size");
  }
  lua_Number size = lua_tonumber(lua, -1);
  lua_pop(lua, 1);
  luaL_argcheck(lua, size >= 0 && size <= static_cast<lua_Number>(most), 2,
                "data string too short");
  return static_cast<std::size_t>(size);
}

// Pushes the value of the option that begins `data`, if it is one. Result: the bytes it took.
std::size_t unpack_one(lua_State* lua, Format& format, const Option& option, ByteView data,
                       int below) {
  std::size_t size = option.size;
  if (option.kind == 's') {
    std::size_t end = data.find('\0');
    if (end == ByteView::npos) luaL_error(lua, "unfinished string in data");
    push_text(lua, data.substr(0, end));
    return end + 1;
  }
  if (option.kind == 'c') {
    if (size == 0) size = size_read_before(lua, below, data.size());
    push_text(lua, data.substr(0, size));
    return size;
  }
  if (option.kind == 'x') return size;
  bool real = option.kind == 'f' || option.kind == 'd';
  if (!real && !std::strchr("bBhHlLTiI", option.kind)) {
    format.control(option.kind);
    return 0;
  }
  std::string bytes(data.substr(0, size));
  order(bytes, format.little_endian());
  if (real) {
    lua_pushnumber(lua,
                   option.kind == 'f' ? unpacked_real<float>(bytes) : unpacked_real<double>(bytes));
  } else {
    lua_pushnumber(lua, unpacked_integer(bytes, std::islower(option.kind) != 0));
  }
  return size;
}

int unpack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  std::size_t size = 0;
  const char* bytes = luaL_checklstring(lua, 2, &size);
  lua_Integer first = luaL_optinteger(lua, 3, 1);
  luaL_argcheck(lua, first > 0, 3, "offset must be 1 or greater");
  auto position = static_cast<std::size_t>(first - 1);
  int below = lua_gettop(lua);
  while (!format.done()) {
    Option option = format.next(position);
    position += option.padding;
    luaL_argcheck(lua, option.size <= size && position <= size - option.size, 2,
                  "data string too short");
    luaL_checkstack(lua, 2, "too many results");
    position += unpack_one(lua, format, option, ByteView(bytes, size).substr(position), below);
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(position + 1));
  return lua_gettop(lua) - below;
}

int size(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  std::size_t position = 0;
  while (!format.done()) {
    Option option = format.next(position);
    if (option.kind == 's') luaL_argerror(lua, 1, "option 's' has no fixed size");
    if (option.kind == 'c' && option.size == 0) {
      luaL_argerror(lua, 1, "option 'c0' has no fixed size");
    }
    if (std::isalnum(static_cast<unsigned char>(option.kind)) == 0) format.control(option.kind);
    position += option.padding + option.size;
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(position));
  return 1;
}

}  // namespace

void open_struct(lua_State* lua) {
  constexpr luaL_Reg functions[] = {{"pack", pack}, {"unpack", unpack}, {"size", size}};
  lua_newtable(lua);
  for (const luaL_Reg& one : functions) {
    lua_pushcfunction(lua, one.func);
    lua_setfield(lua, -2, one.name);
  }
}

}  // namespace trv::redis
