// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct CreateDelegationTokenRequest {
  struct Renewer {
    ByteView principal_type;
    ByteView principal_name;
  };
  std::optional<ByteView> owner_principal_type;
  std::optional<ByteView> owner_principal_name;
  std::vector<Renewer> renewers;
  std::int64_t max_lifetime_ms = 0;
};

struct CreateDelegationTokenResponse {
  std::int16_t error_code = 0;
  std::string principal_type;
  std::string principal_name;
  std::string requester_principal_type;
  std::string requester_principal_name;
  std::int64_t issue_timestamp_ms = 0;
  std::int64_t expiry_timestamp_ms = 0;
  std::int64_t max_timestamp_ms = 0;
  std::string token_id;
  std::string hmac;
  std::int32_t throttle_time_ms = 0;
};

struct CreateDelegationTokenApi {
  static constexpr std::int16_t key = 38;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 2;
  using Request = CreateDelegationTokenRequest;
  using Response = CreateDelegationTokenResponse;
};

void decode(Decoder& in, CreateDelegationTokenRequest& out);
void encode(Encoder& out, const CreateDelegationTokenResponse& in);

}  // namespace trv::kafka::wire
