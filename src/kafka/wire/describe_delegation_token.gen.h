// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeDelegationTokenRequest {
  struct Owner {
    ByteView principal_type;
    ByteView principal_name;
  };
  std::optional<std::vector<Owner>> owners;
};

struct DescribeDelegationTokenResponse {
  struct Token {
    struct Renewer {
      std::string principal_type;
      std::string principal_name;
    };
    std::string principal_type;
    std::string principal_name;
    std::string requester_principal_type;
    std::string requester_principal_name;
    std::int64_t issue_timestamp = 0;
    std::int64_t expiry_timestamp = 0;
    std::int64_t max_timestamp = 0;
    std::string token_id;
    std::string hmac;
    std::vector<Renewer> renewers;
  };
  std::int16_t error_code = 0;
  std::vector<Token> tokens;
  std::int32_t throttle_time_ms = 0;
};

struct DescribeDelegationTokenApi {
  static constexpr std::int16_t key = 41;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 2;
  using Request = DescribeDelegationTokenRequest;
  using Response = DescribeDelegationTokenResponse;
};

void decode(Decoder& in, DescribeDelegationTokenRequest& out);
void encode(Encoder& out, const DescribeDelegationTokenResponse& in);

}  // namespace trv::kafka::wire
