// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct CreateAclsRequest {
  struct Creation {
    std::int8_t resource_type = 0;
    ByteView resource_name;
    std::int8_t pattern_type = 3;
    ByteView principal;
    ByteView host;
    std::int8_t operation = 0;
    std::int8_t permission_type = 0;
  };
  std::vector<Creation> creations;
};

struct CreateAclsResponse {
  struct Result {
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct CreateAclsApi {
  static constexpr std::int16_t key = 30;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 2;
  using Request = CreateAclsRequest;
  using Response = CreateAclsResponse;
};

void decode(Decoder& in, CreateAclsRequest& out);
void encode(Encoder& out, const CreateAclsResponse& in);

}  // namespace trv::kafka::wire
