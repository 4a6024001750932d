// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeUserScramCredentialsRequest {
  struct User {
    ByteView name;
  };
  std::optional<std::vector<User>> users;
};

struct DescribeUserScramCredentialsResponse {
  struct Result {
    struct Credential {
      std::int8_t mechanism = 0;
      std::int32_t iterations = 0;
    };
    std::string user;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::vector<Credential> credentials;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Result> results;
};

struct DescribeUserScramCredentialsApi {
  static constexpr std::int16_t key = 50;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeUserScramCredentialsRequest;
  using Response = DescribeUserScramCredentialsResponse;
};

void decode(Decoder& in, DescribeUserScramCredentialsRequest& out);
void encode(Encoder& out, const DescribeUserScramCredentialsResponse& in);

}  // namespace trv::kafka::wire
