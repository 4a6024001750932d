// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AlterUserScramCredentialsRequest {
  struct Deletion {
    ByteView name;
    std::int8_t mechanism = 0;
  };
  struct Upsertion {
    ByteView name;
    std::int8_t mechanism = 0;
    std::int32_t iterations = 0;
    ByteView salt;
    ByteView salted_password;
  };
  std::vector<Deletion> deletions;
  std::vector<Upsertion> upsertions;
};

struct AlterUserScramCredentialsResponse {
  struct Result {
    std::string user;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct AlterUserScramCredentialsApi {
  static constexpr std::int16_t key = 51;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = AlterUserScramCredentialsRequest;
  using Response = AlterUserScramCredentialsResponse;
};

void decode(Decoder& in, AlterUserScramCredentialsRequest& out);
void encode(Encoder& out, const AlterUserScramCredentialsResponse& in);

}  // namespace trv::kafka::wire
