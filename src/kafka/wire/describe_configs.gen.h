// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeConfigsRequest {
  struct Resource {
    std::int8_t type = 0;
    ByteView name;
    std::optional<std::vector<ByteView>> keys;
  };
  std::vector<Resource> resources;
  bool include_synonyms = false;
  bool include_documentation = false;
};

struct DescribeConfigsResponse {
  struct Result {
    struct Config {
      struct Synonym {
        std::string name;
        std::optional<std::string> value;
        std::int8_t source = 0;
      };
      std::string name;
      std::optional<std::string> value;
      bool read_only = false;
      std::int8_t config_source = -1;
      bool is_sensitive = false;
      std::vector<Synonym> synonyms;
      std::int8_t config_type = 0;
      std::optional<std::string> documentation;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::int8_t type = 0;
    std::string name;
    std::vector<Config> configs;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct DescribeConfigsApi {
  static constexpr std::int16_t key = 32;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 4;
  static constexpr std::int16_t flexible_from = 4;
  using Request = DescribeConfigsRequest;
  using Response = DescribeConfigsResponse;
};

void decode(Decoder& in, DescribeConfigsRequest& out);
void encode(Encoder& out, const DescribeConfigsResponse& in);

}  // namespace trv::kafka::wire
