// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct SyncGroupRequest {
  struct Assignment {
    ByteView member_id;
    ByteView assignment;
  };
  ByteView group_id;
  std::int32_t generation_id = 0;
  ByteView member_id;
  std::optional<ByteView> group_instance_id;
  std::optional<ByteView> protocol_type;
  std::optional<ByteView> protocol_name;
  std::vector<Assignment> assignments;
};

struct SyncGroupResponse {
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string assignment;
};

struct SyncGroupApi {
  static constexpr std::int16_t key = 14;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 4;
  using Request = SyncGroupRequest;
  using Response = SyncGroupResponse;
};

void decode(Decoder& in, SyncGroupRequest& out);
void encode(Encoder& out, const SyncGroupResponse& in);

}  // namespace trv::kafka::wire
