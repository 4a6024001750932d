// Framing: a connection's incoming bytes cut into frames, and the headers of requests.
//
//   request:  size i32 | api key i16 | api version i16 | correlation id i32 | client id i16 + bytes
//             | tagged fields (flexible versions) | body
//   answer:   size i32 | correlation id i32 | tagged fields (flexible versions) | body
//
// FrameBuffer's owner is one connection. Invariants: memory grows with what has arrived, never with
// what a size field claims; at most `frame_size_max` plus one read is held.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::kafka::wire {

class FrameBuffer {
 public:
  // As Kafka's socket.request.max.bytes.
  static constexpr std::size_t frame_size_max = 100u << 20;

  explicit FrameBuffer(std::size_t size_max = frame_size_max) : size_max_(size_max) {}

  // Where to read to next; never empty. Ends the life of views that next() gave.
  std::span<char> space();
  // `size` bytes were read there.
  void filled(std::size_t size) { end_ += size; }

  // The next whole frame without its size; nothing when more bytes are needed.
  // Errors: too_large, invalid_argument (size not positive); the connection must then be closed.
  Result<std::optional<ByteView>> next();

  std::size_t capacity() const { return capacity_; }

 private:
  static constexpr std::size_t read_size = 64u << 10;
  static constexpr std::size_t keep_size_max = 2u << 20;

  void resize(std::size_t capacity);

  std::size_t size_max_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;       // first byte not given out
  std::size_t end_ = 0;         // first byte not read
  std::size_t frame_size_ = 0;  // of the frame at begin_ with its size field; 0 when not yet known
};

struct RequestHeader {
  std::int16_t key = 0;
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  ByteView client_id;  // empty when null
};

// Key, version and correlation id; the reader stands behind them.
RequestHeader read_header_begin(ByteReader& in);
// What depends on the version: client id and, when `flexible`, tagged fields (skipped).
void read_header_end(ByteReader& in, bool flexible, RequestHeader& header);

}  // namespace trv::kafka::wire
