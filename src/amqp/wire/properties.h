// The properties of a message: two octets of flags, then the values of those present, in the order
// of the flags from the highest bit.
//
//   bit 15 content-type   14 content-encoding   13 headers (table)   12 delivery-mode u8
//   11 priority u8   10 correlation-id   9 reply-to   8 expiration   7 message-id
//   6 timestamp u64 (seconds)   5 type   4 user-id   3 app-id   2 cluster-id
//   bit 1 unused, bit 0 "more flags follow": both refused
//
// The server stores and returns the bytes it got; it reads them in place when it must know one, and
// encodes anew only when it has to change one.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace trv::amqp::wire {

enum class Property : std::uint16_t {
  content_type = 1 << 15,
  content_encoding = 1 << 14,
  headers = 1 << 13,
  delivery_mode = 1 << 12,
  priority = 1 << 11,
  correlation_id = 1 << 10,
  reply_to = 1 << 9,
  expiration = 1 << 8,
  message_id = 1 << 7,
  timestamp = 1 << 6,
  type = 1 << 5,
  user_id = 1 << 4,
  app_id = 1 << 3,
  cluster_id = 1 << 2,
};

struct Properties {
  std::uint16_t flags = 0;
  std::uint8_t delivery_mode = 0;
  std::uint8_t priority = 0;
  std::uint64_t timestamp = 0;
  ByteView content_type;
  ByteView content_encoding;
  ByteView headers;  // a table body
  ByteView correlation_id;
  ByteView reply_to;
  ByteView expiration;
  ByteView message_id;
  ByteView type;
  ByteView user_id;
  ByteView app_id;
  ByteView cluster_id;

  bool has(Property property) const { return (flags & static_cast<std::uint16_t>(property)) != 0; }
  void set(Property property, bool present = true) {
    const auto bit = static_cast<std::uint16_t>(property);
    flags = static_cast<std::uint16_t>(present ? flags | bit : flags & ~bit);
  }
};

// The views in `out` point into `bytes`. False when malformed.
bool parse_properties(ByteView bytes, Properties& out);
void encode_properties(ByteWriter& w, const Properties& properties);

}  // namespace trv::amqp::wire
