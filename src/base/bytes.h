// ByteReader and ByteWriter: the only way that codecs touch bytes.
//
// ByteReader reads a view that it does not own. Errors stick: after the first short read every
// further read answers zero or empty, and ok() is false; check once at the end. It never
// allocates, so a length claimed by a peer costs nothing.
// ByteWriter appends to a string that the caller owns.
//
// Network protocols use the plain names (big endian); formats on disk use the `_le` names.
// Varints are as in Kafka and Protocol Buffers (7 bits a byte, least first; zig-zag when signed).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace trv {

using ByteView = std::string_view;

template <class T>
constexpr T byte_swap(T v) {
  if constexpr (sizeof(T) == 1) {
    return v;
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(v)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(v)));
  } else {
    static_assert(sizeof(T) == 8);
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(v)));
  }
}
static_assert(std::endian::native == std::endian::little, "the codecs assume a little-endian host");

template <class T>
T load_le(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
T load_be(const char* p) {
  return byte_swap(load_le<T>(p));
}
template <class T>
void store_le(char* p, T v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
void store_be(char* p, T v) {
  store_le(p, byte_swap(v));
}

constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}
constexpr std::size_t varint_size(std::uint64_t v) {
  return v == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(v)) + 6) / 7;
}

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // Nothing left and no error so far.
  bool done() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  ByteView rest() const { return rest_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::uint8_t u8() { return fixed<std::uint8_t>(); }
  std::uint16_t u16() { return byte_swap(fixed<std::uint16_t>()); }
  std::uint32_t u32() { return byte_swap(fixed<std::uint32_t>()); }
  std::uint64_t u64() { return byte_swap(fixed<std::uint64_t>()); }
  std::int8_t i8() { return fixed<std::int8_t>(); }
  std::int16_t i16() { return byte_swap(fixed<std::int16_t>()); }
  std::int32_t i32() { return byte_swap(fixed<std::int32_t>()); }
  std::int64_t i64() { return byte_swap(fixed<std::int64_t>()); }

  std::uint16_t u16_le() { return fixed<std::uint16_t>(); }
  std::uint32_t u32_le() { return fixed<std::uint32_t>(); }
  std::uint64_t u64_le() { return fixed<std::uint64_t>(); }
  std::int32_t i32_le() { return fixed<std::int32_t>(); }
  std::int64_t i64_le() { return fixed<std::int64_t>(); }

  // At most 10 bytes; an over-long or overflowing encoding is an error.
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      std::uint8_t b = u8();
      if (shift == 63 && b > 1) break;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) == 0) return ok_ ? v : 0;
    }
    fail();
    return 0;
  }
  std::int64_t varint_signed() { return unzigzag(varint()); }

  // The next `size` bytes, a view into the input.
  ByteView bytes(std::size_t size) {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    ByteView part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return part;
  }
  void skip(std::size_t size) { bytes(size); }

  // Length-prefixed bytes as our own formats write them (see ByteWriter::sized).
  ByteView sized() {
    std::uint64_t size = varint();
    if (size > rest_.size()) {
      fail();
      return {};
    }
    return bytes(static_cast<std::size_t>(size));
  }

 private:
  template <class T>
  T fixed() {
    if (rest_.size() < sizeof(T)) {
      fail();
      return 0;
    }
    T v = load_le<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return v;
  }

  ByteView rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  std::size_t size() const { return out_.size(); }
  std::string& out() { return out_; }

  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u16(std::uint16_t v) { fixed(byte_swap(v)); }
  void u32(std::uint32_t v) { fixed(byte_swap(v)); }
  void u64(std::uint64_t v) { fixed(byte_swap(v)); }
  void i8(std::int8_t v) { out_.push_back(static_cast<char>(v)); }
  void i16(std::int16_t v) { fixed(byte_swap(v)); }
  void i32(std::int32_t v) { fixed(byte_swap(v)); }
  void i64(std::int64_t v) { fixed(byte_swap(v)); }

  void u16_le(std::uint16_t v) { fixed(v); }
  void u32_le(std::uint32_t v) { fixed(v); }
  void u64_le(std::uint64_t v) { fixed(v); }
  void i32_le(std::int32_t v) { fixed(v); }
  void i64_le(std::int64_t v) { fixed(v); }

  void varint(std::uint64_t v) {
    while (v >= 0x80) {
      u8(static_cast<std::uint8_t>(v | 0x80));
      v >>= 7;
    }
    u8(static_cast<std::uint8_t>(v));
  }
  void varint_signed(std::int64_t v) { varint(zigzag(v)); }
  void bytes(ByteView v) { out_.append(v); }
  // Varint length, then the bytes.
  void sized(ByteView v) {
    varint(v.size());
    bytes(v);
  }

  // Overwrites an integer written earlier. Requires: it lies inside what is written.
  void patch_u16(std::size_t at, std::uint16_t v) { store_be(out_.data() + at, v); }
  void patch_u32(std::size_t at, std::uint32_t v) { store_be(out_.data() + at, v); }

 private:
  template <class T>
  void fixed(T v) {
    char raw[sizeof(T)];
    store_le(raw, v);
    out_.append(raw, sizeof(T));
  }

  std::string& out_;
};

}  // namespace trv
