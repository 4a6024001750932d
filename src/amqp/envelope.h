// Envelope: what is stored beside the body of a message (docs/formats/envelope.md).
#pragma once

#include <string>

#include "base/bytes.h"

namespace trv::amqp {

struct Envelope {
  ByteView exchange;
  ByteView routing_key;
  ByteView properties;           // flags and values; see wire/properties.h
  bool deaths_are_ours = false;  // else death headers are what a client sent, and do not count
};

// Requires: exchange and routing key of at most 255 bytes.
void encode_envelope(std::string& out, const Envelope& envelope);
// The views in `out` point into `bytes`. False when damaged or of a newer version.
bool parse_envelope(ByteView bytes, Envelope& out);

}  // namespace trv::amqp
