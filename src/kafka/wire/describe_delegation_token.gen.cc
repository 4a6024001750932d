// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_delegation_token.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeDelegationTokenRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::optional<std::size_t> count1 = in.nullable_array(2);
  if (count1) {
    out.owners.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      auto& item2 = (*out.owners).emplace_back();
      item2.principal_type = in.string();
      item2.principal_name = in.string();
      if (version >= 2) {
        in.skip_tags();
      }
    }
  }
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DescribeDelegationTokenResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.array(in.tokens.size());
  for (const auto& item4 : in.tokens) {
    out.string(item4.principal_type);
    out.string(item4.principal_name);
    if (version >= 3) {
      out.string(item4.requester_principal_type);
    }
    if (version >= 3) {
      out.string(item4.requester_principal_name);
    }
    out.i64(item4.issue_timestamp);
    out.i64(item4.expiry_timestamp);
    out.i64(item4.max_timestamp);
    out.string(item4.token_id);
    out.bytes(item4.hmac);
    out.array(item4.renewers.size());
    for (const auto& item5 : item4.renewers) {
      out.string(item5.principal_type);
      out.string(item5.principal_name);
      if (version >= 2) {
        out.tag_count(0);
      }
    }
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  out.i32(in.throttle_time_ms);
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
