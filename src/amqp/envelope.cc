#include "amqp/envelope.h"

#include "amqp/wire/table.h"

namespace trv::amqp {

namespace {
constexpr std::uint8_t deaths_are_ours_bit = 1;
}

void encode_envelope(std::string& out, const Envelope& envelope) {
  ByteWriter w(out);
  w.u8(envelope.deaths_are_ours ? deaths_are_ours_bit : 0);
  wire::write_short_string(w, envelope.exchange);
  wire::write_short_string(w, envelope.routing_key);
  w.bytes(envelope.properties);
}

bool parse_envelope(ByteView bytes, Envelope& out) {
  ByteReader r(bytes);
  const std::uint8_t flags = r.u8();
  out.deaths_are_ours = (flags & deaths_are_ours_bit) != 0;
  out.exchange = wire::read_short_string(r);
  out.routing_key = wire::read_short_string(r);
  out.properties = r.rest();
  return r.ok() && (flags & ~deaths_are_ours_bit) == 0;
}

}  // namespace trv::amqp
