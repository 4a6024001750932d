// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ExpireDelegationTokenRequest {
  ByteView hmac;
  std::int64_t expiry_time_period_ms = 0;
};

struct ExpireDelegationTokenResponse {
  std::int16_t error_code = 0;
  std::int64_t expiry_timestamp_ms = 0;
  std::int32_t throttle_time_ms = 0;
};

struct ExpireDelegationTokenApi {
  static constexpr std::int16_t key = 40;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = ExpireDelegationTokenRequest;
  using Response = ExpireDelegationTokenResponse;
};

void decode(Decoder& in, ExpireDelegationTokenRequest& out);
void encode(Encoder& out, const ExpireDelegationTokenResponse& in);

}  // namespace trv::kafka::wire
