// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/create_delegation_token.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, CreateDelegationTokenRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 3) {
    out.owner_principal_type = in.nullable_string();
  }
  if (version >= 3) {
    out.owner_principal_name = in.nullable_string();
  }
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.renewers.emplace_back();
    item2.principal_type = in.string();
    item2.principal_name = in.string();
    if (version >= 2) {
      in.skip_tags();
    }
  }
  out.max_lifetime_ms = in.i64();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const CreateDelegationTokenResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.string(in.principal_type);
  out.string(in.principal_name);
  if (version >= 3) {
    out.string(in.requester_principal_type);
  }
  if (version >= 3) {
    out.string(in.requester_principal_name);
  }
  out.i64(in.issue_timestamp_ms);
  out.i64(in.expiry_timestamp_ms);
  out.i64(in.max_timestamp_ms);
  out.string(in.token_id);
  out.bytes(in.hmac);
  out.i32(in.throttle_time_ms);
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
