// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/sasl_authenticate.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, SaslAuthenticateRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.auth_bytes = in.bytes();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const SaslAuthenticateResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.bytes(in.auth_bytes);
  if (version >= 1) {
    out.i64(in.session_lifetime_ms);
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
