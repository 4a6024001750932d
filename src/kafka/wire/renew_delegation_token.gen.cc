// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/renew_delegation_token.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, RenewDelegationTokenRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.hmac = in.bytes();
  out.renew_period_ms = in.i64();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const RenewDelegationTokenResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.i64(in.expiry_timestamp_ms);
  out.i32(in.throttle_time_ms);
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
