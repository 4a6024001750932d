// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ListConfigResourcesRequest {
  std::vector<std::int8_t> resource_types;
};

struct ListConfigResourcesResponse {
  struct Resource {
    std::string name;
    std::int8_t type = 16;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<Resource> config_resources;
};

struct ListConfigResourcesApi {
  static constexpr std::int16_t key = 74;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ListConfigResourcesRequest;
  using Response = ListConfigResourcesResponse;
};

void decode(Decoder& in, ListConfigResourcesRequest& out);
void encode(Encoder& out, const ListConfigResourcesResponse& in);

}  // namespace trv::kafka::wire
