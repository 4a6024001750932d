// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/sasl_handshake.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, SaslHandshakeRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.mechanism = in.string();
}

void encode(Encoder& out, const SaslHandshakeResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.array(in.mechanisms.size());
  for (const auto& item1 : in.mechanisms) {
    out.string(item1);
  }
}

}  // namespace trv::kafka::wire
