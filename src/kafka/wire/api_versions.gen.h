// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ApiVersionsRequest {
  ByteView client_software_name;
  ByteView client_software_version;
};

struct ApiVersionsResponse {
  struct ApiVersion {
    std::int16_t api_key = 0;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;
  };
  struct SupportedFeature {
    std::string name;
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;
  };
  struct FinalizedFeature {
    std::string name;
    std::int16_t max_version_level = 0;
    std::int16_t min_version_level = 0;
  };
  std::int16_t error_code = 0;
  std::vector<ApiVersion> api_keys;
  std::int32_t throttle_time_ms = 0;
  std::vector<SupportedFeature> supported_features;
  std::int64_t finalized_features_epoch = -1;
  std::vector<FinalizedFeature> finalized_features;
};

struct ApiVersionsApi {
  static constexpr std::int16_t key = 18;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 4;
  static constexpr std::int16_t flexible_from = 3;
  using Request = ApiVersionsRequest;
  using Response = ApiVersionsResponse;
};

void decode(Decoder& in, ApiVersionsRequest& out);
void encode(Encoder& out, const ApiVersionsResponse& in);

}  // namespace trv::kafka::wire
