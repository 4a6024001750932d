// Framing: a connection's incoming bytes cut into frames, and the headers of requests.
//
//   request:  size i32 | api key i16 | api version i16 | correlation id i32 | client id i16 + bytes
//             | tagged fields (flexible versions) | body
//   answer:   size i32 | correlation id i32 | tagged fields (flexible versions) | body
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::kafka::wire {

// As Kafka's socket.request.max.bytes.
constexpr std::size_t frame_size_max = 100u << 20;
constexpr std::size_t frame_size_field = 4;

// The first whole frame of `bytes`, without its size field; nothing when more bytes are needed.
// Errors: too_large, invalid_argument (size not positive); the connection must then be closed.
Result<std::optional<ByteView>> cut_frame(ByteView bytes, std::size_t size_max = frame_size_max);

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
