// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct HeartbeatRequest {
  ByteView group_id;
  std::int32_t generation_id = 0;
  ByteView member_id;
  std::optional<ByteView> group_instance_id;
};

struct HeartbeatResponse {
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
};

struct HeartbeatApi {
  static constexpr std::int16_t key = 12;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 4;
  static constexpr std::int16_t flexible_from = 4;
  using Request = HeartbeatRequest;
  using Response = HeartbeatResponse;
};

void decode(Decoder& in, HeartbeatRequest& out);
void encode(Encoder& out, const HeartbeatResponse& in);

}  // namespace trv::kafka::wire
