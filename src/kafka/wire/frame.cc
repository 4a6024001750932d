#include "kafka/wire/frame.h"

#include <algorithm>

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {
namespace {

constexpr std::size_t size_field = 4;

}  // namespace

void FrameBuffer::resize(std::size_t capacity) {
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
  std::size_t held = end_ - begin_;
  if (held > 0) std::memcpy(bytes.get(), bytes_.get() + begin_, held);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
  begin_ = 0;
  end_ = held;
}

std::span<char> FrameBuffer::space() {
  std::size_t held = end_ - begin_;
  if (held == 0) {
    begin_ = end_ = 0;
    // One large frame must not pin its buffer for the rest of the connection.
    if (capacity_ > keep_size_max) capacity_ = 0;
  }
  if (capacity_ == 0) resize(read_size);
  if (begin_ > 0 && (capacity_ - end_ < read_size / 2 || begin_ + frame_size_ > capacity_)) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, held);
    begin_ = 0;
    end_ = held;
  }
  // Doubles what has really arrived, up to what the frame needs.
  if (end_ == capacity_) {
    std::size_t wanted = std::max(capacity_ * 2, read_size);
    if (frame_size_ > 0) wanted = std::min(wanted, std::max(frame_size_, held + read_size));
    resize(wanted);
  }
  return {bytes_.get() + end_, capacity_ - end_};
}

Result<std::optional<ByteView>> FrameBuffer::next() {
  std::size_t held = end_ - begin_;
  if (frame_size_ == 0) {
    if (held < size_field) return std::optional<ByteView>();
    std::int32_t size = load_be<std::int32_t>(bytes_.get() + begin_);
    if (size <= 0) return Error{Errc::invalid_argument, "frame size is not positive"};
    if (static_cast<std::size_t>(size) > size_max_) {
      return Error{Errc::too_large, "frame is larger than the maximum"};
    }
    frame_size_ = size_field + static_cast<std::size_t>(size);
  }
  if (held < frame_size_) return std::optional<ByteView>();
  ByteView frame(bytes_.get() + begin_ + size_field, frame_size_ - size_field);
  begin_ += frame_size_;
  frame_size_ = 0;
  return std::optional<ByteView>(frame);
}

RequestHeader read_header_begin(ByteReader& in) {
  RequestHeader header;
  header.key = in.i16();
  header.version = in.i16();
  header.correlation_id = in.i32();
  return header;
}

void read_header_end(ByteReader& in, bool flexible, RequestHeader& header) {
  // The client id keeps its two-byte length even in flexible versions.
  std::int16_t size = in.i16();
  if (size < -1) in.fail();
  if (size > 0) header.client_id = in.bytes(static_cast<std::size_t>(size));
  if (!flexible || !in.ok()) return;
  Decoder tagged(in.rest(), header.version, true);
  tagged.skip_tags();
  if (!tagged.ok()) {
    in.fail();
    return;
  }
  in.skip(in.remaining() - tagged.remaining());
}

}  // namespace trv::kafka::wire
