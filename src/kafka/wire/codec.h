// Decoder and Encoder: Kafka's primitive types in one version of one API, for the generated codecs.
//
// Decoder reads a frame's body. Strings, bytes and records that it returns are views into the
// frame. Errors stick, as in ByteReader; check ok() once at the end.
// Encoder appends an answer. Record batches are not copied into it: they are kept as slices with
// their place, and the connection sends both as one sequence (see Reply).
//
// Limits: an array claims at most what the rest of the frame can hold, and all arrays of one
// request together at most `array_elements_max`, since an element in memory is many times larger
// than the least that it takes on the wire.
//
// Strings carry an i16 or, in flexible versions, an unsigned varint of length + 1; arrays and bytes
// an i32 or such a varint. Flexible structs end in tagged fields: count, then (tag, size, bytes)
// ascending by tag.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/slice.h"

namespace trv::kafka::wire {

inline constexpr std::size_t array_elements_max = 200'000;
inline constexpr std::uint64_t tags_max = 10'000;
// Stored batches shorter than this are copied into the answer instead of being sent as a slice.
inline constexpr std::size_t splice_size_min = 1024;

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  constexpr auto operator<=>(const Uuid&) const = default;
  constexpr bool is_zero() const { return high == 0 && low == 0; }
};

class Decoder {
 public:
  Decoder(ByteView body, std::int16_t version, bool flexible)
      : in_(body), version_(version), flexible_(flexible) {}

  std::int16_t version() const { return version_; }
  bool ok() const { return in_.ok(); }
  void fail() { in_.fail(); }
  std::size_t remaining() const { return in_.remaining(); }

  bool boolean() { return in_.u8() != 0; }
  std::int8_t i8() { return in_.i8(); }
  std::int16_t i16() { return in_.i16(); }
  std::int32_t i32() { return in_.i32(); }
  std::int64_t i64() { return in_.i64(); }
  double f64() { return std::bit_cast<double>(in_.i64()); }
  Uuid uuid();
  ByteView string();
  std::optional<ByteView> nullable_string();
  ByteView bytes();
  std::optional<ByteView> nullable_bytes();

  // The number of elements that follow, each of at least `element_size_min` bytes.
  std::size_t array(std::size_t element_size_min);
  // The same; nothing when the array is null.
  std::optional<std::size_t> nullable_array(std::size_t element_size_min);

  // Tagged fields of the struct that ends here: calls `field(tag, part)` for each, where `part`
  // decodes the field's own bytes. Unknown tags are for the callee to ignore.
  template <class F>
  void tags(F&& field) {
    std::uint64_t count = tag_count();
    std::int64_t last = -1;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t tag = 0;
      ByteView part = next_tag(last, tag);
      if (!ok()) return;
      last = static_cast<std::int64_t>(tag);
      Decoder inner(part, version_, flexible_);
      inner.elements_left_ = elements_left_;
      field(tag, inner);
      elements_left_ = inner.elements_left_;
      if (!inner.ok()) fail();
    }
  }
  void skip_tags() {
    tags([](std::uint64_t, Decoder&) {});
  }

 private:
  // A length in the i32 (or i16) or compact form; -1 when null.
  std::int64_t length(bool is_short);
  std::uint64_t tag_count();
  ByteView next_tag(std::int64_t last, std::uint64_t& tag);

  ByteReader in_;
  std::int16_t version_;
  bool flexible_;
  std::size_t elements_left_ = array_elements_max;
};

// Record batches on their way out, in order; views into what is stored.
struct Records {
  std::vector<Slice> parts;
  std::size_t size = 0;

  void add(Slice part) {
    size += part.size();
    parts.push_back(std::move(part));
  }
};

// The bytes of one answer: `text` with `splices` to be inserted at places in it, in order.
struct EncodedMessage {
  struct Splice {
    std::size_t position;  // in text
    Slice bytes;
  };
  std::string text;
  std::vector<Splice> splices;

  std::size_t size() const;
};

class Encoder {
 public:
  Encoder(EncodedMessage& out, std::int16_t version, bool flexible)
      : out_(out), text_(out.text), version_(version), flexible_(flexible) {}

  std::int16_t version() const { return version_; }

  void boolean(bool v) { text_.u8(v ? 1 : 0); }
  void i8(std::int8_t v) { text_.i8(v); }
  void i16(std::int16_t v) { text_.i16(v); }
  void i32(std::int32_t v) { text_.i32(v); }
  void i64(std::int64_t v) { text_.i64(v); }
  void f64(double v) { text_.i64(std::bit_cast<std::int64_t>(v)); }
  void uuid(const Uuid& v);
  // Requires: at most 32767 bytes in versions that are not flexible; longer ones are cut.
  void string(ByteView v);
  void nullable_string(const std::optional<std::string>& v);
  void bytes(ByteView v);
  void nullable_bytes(const std::optional<std::string>& v);
  void records(const Records& v);
  void array(std::size_t count);
  void null_array();

  void tag_count(std::uint64_t count) { text_.varint(count); }
  // One tagged field; `write` encodes its content with the encoder that it is given.
  // Requires: no records inside.
  template <class F>
  void tag(std::uint64_t tag, F&& write) {
    EncodedMessage content;
    Encoder inner(content, version_, flexible_);
    write(inner);
    text_.varint(tag);
    text_.sized(content.text);
  }

 private:
  EncodedMessage& out_;
  ByteWriter text_;
  std::int16_t version_;
  bool flexible_;
};

}  // namespace trv::kafka::wire
