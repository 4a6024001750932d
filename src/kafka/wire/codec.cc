#include "kafka/wire/codec.h"

#include <algorithm>

#include "base/mutant.h"

namespace trv::kafka::wire {
namespace {

constexpr std::size_t short_length_max = 32767;

}  // namespace

std::int64_t Decoder::length(bool is_short) {
  if (flexible_) {
    std::uint64_t v = in_.varint();
    if (v > 0xffffffffULL) {
      in_.fail();
      return 0;
    }
    return static_cast<std::int64_t>(v) - 1;
  }
  return is_short ? in_.i16() : in_.i32();
}

Uuid Decoder::uuid() {
  Uuid v;
  v.high = in_.u64();
  v.low = in_.u64();
  return v;
}

std::optional<ByteView> Decoder::nullable_string() {
  std::int64_t size = length(true);
  if (size == -1 && ok()) return std::nullopt;
  if (size < 0) {
    in_.fail();
    return ByteView{};
  }
  return in_.bytes(static_cast<std::size_t>(size));
}

ByteView Decoder::string() {
  std::optional<ByteView> v = nullable_string();
  if (!v) in_.fail();
  return v.value_or(ByteView{});
}

std::optional<ByteView> Decoder::nullable_bytes() {
  std::int64_t size = length(false);
  if (size == -1 && ok()) return std::nullopt;
  if (size < 0) {
    in_.fail();
    return ByteView{};
  }
  return in_.bytes(static_cast<std::size_t>(size));
}

ByteView Decoder::bytes() {
  std::optional<ByteView> v = nullable_bytes();
  if (!v) in_.fail();
  return v.value_or(ByteView{});
}

std::optional<std::size_t> Decoder::nullable_array(std::size_t element_size_min) {
  std::int64_t count = length(false);
  if (count == -1 && ok()) return std::nullopt;
  if (count < 0 || static_cast<std::uint64_t>(count) > elements_left_ ||
      (static_cast<std::uint64_t>(count) * element_size_min > in_.remaining() &&
       !TRV_MUTANT(array_count_unchecked))) {
    in_.fail();
    return 0;
  }
  elements_left_ -= static_cast<std::size_t>(count);
  return static_cast<std::size_t>(count);
}

std::size_t Decoder::array(std::size_t element_size_min) {
  std::optional<std::size_t> count = nullable_array(element_size_min);
  if (!count) in_.fail();
  return count.value_or(0);
}

std::uint64_t Decoder::tag_count() {
  std::uint64_t count = in_.varint();
  if (count > tags_max) in_.fail();
  return ok() ? count : 0;
}

ByteView Decoder::next_tag(std::int64_t last, std::uint64_t& tag) {
  tag = in_.varint();
  if (tag > 0x7fffffff || static_cast<std::int64_t>(tag) <= last) in_.fail();
  return in_.sized();
}

std::size_t EncodedMessage::size() const {
  std::size_t total = text.size();
  for (const Splice& splice : splices) total += splice.bytes.size();
  return total;
}

void Encoder::uuid(const Uuid& v) {
  text_.u64(v.high);
  text_.u64(v.low);
}

void Encoder::string(ByteView v) {
  if (flexible_) {
    text_.varint(v.size() + 1);
  } else {
    v = v.substr(0, short_length_max);
    text_.i16(static_cast<std::int16_t>(v.size()));
  }
  text_.bytes(v);
}

void Encoder::nullable_string(const std::optional<std::string>& v) {
  if (v) {
    string(*v);
  } else if (flexible_) {
    text_.varint(0);
  } else {
    text_.i16(-1);
  }
}

void Encoder::bytes(ByteView v) {
  array(v.size());
  text_.bytes(v);
}

void Encoder::nullable_bytes(const std::optional<std::string>& v) {
  if (v) {
    bytes(*v);
  } else {
    null_array();
  }
}

void Encoder::records(const Records& v) {
  array(v.size);
  for (const Slice& part : v.parts) {
    if (part.size() < splice_size_min) {
      text_.bytes(part.view());
    } else {
      out_.splices.push_back({text_.size(), part});
    }
  }
}

void Encoder::array(std::size_t count) {
  if (flexible_) {
    text_.varint(count + 1);
  } else {
    text_.i32(static_cast<std::int32_t>(count));
  }
}

void Encoder::null_array() {
  if (flexible_) {
    text_.varint(0);
  } else {
    text_.i32(-1);
  }
}

}  // namespace trv::kafka::wire
