// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AlterConfigsRequest {
  struct Resource {
    struct Config {
      ByteView name;
      std::optional<ByteView> value;
    };
    std::int8_t type = 0;
    ByteView name;
    std::vector<Config> configs;
  };
  std::vector<Resource> resources;
  bool validate_only = false;
};

struct AlterConfigsResponse {
  struct Result {
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::int8_t type = 0;
    std::string name;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct AlterConfigsApi {
  static constexpr std::int16_t key = 33;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = AlterConfigsRequest;
  using Response = AlterConfigsResponse;
};

void decode(Decoder& in, AlterConfigsRequest& out);
void encode(Encoder& out, const AlterConfigsResponse& in);

}  // namespace trv::kafka::wire
