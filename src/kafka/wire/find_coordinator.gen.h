// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct FindCoordinatorRequest {
  ByteView key;
  std::int8_t key_type = 0;
  std::vector<ByteView> coordinator_keys;
};

struct FindCoordinatorResponse {
  struct Coordinator {
    std::string key;
    std::int32_t node_id = -1;
    std::string host;
    std::int32_t port = -1;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::int32_t node_id = -1;
  std::string host;
  std::int32_t port = -1;
  std::vector<Coordinator> coordinators;
};

struct FindCoordinatorApi {
  static constexpr std::int16_t key = 10;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 6;
  static constexpr std::int16_t flexible_from = 3;
  using Request = FindCoordinatorRequest;
  using Response = FindCoordinatorResponse;
};

void decode(Decoder& in, FindCoordinatorRequest& out);
void encode(Encoder& out, const FindCoordinatorResponse& in);

}  // namespace trv::kafka::wire
