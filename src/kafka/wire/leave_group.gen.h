// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct LeaveGroupRequest {
  struct Member {
    ByteView member_id;
    std::optional<ByteView> group_instance_id;
    std::optional<ByteView> reason;
  };
  ByteView group_id;
  ByteView member_id;
  std::vector<Member> members;
};

struct LeaveGroupResponse {
  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::int16_t error_code = 0;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<Member> members;
};

struct LeaveGroupApi {
  static constexpr std::int16_t key = 13;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 4;
  using Request = LeaveGroupRequest;
  using Response = LeaveGroupResponse;
};

void decode(Decoder& in, LeaveGroupRequest& out);
void encode(Encoder& out, const LeaveGroupResponse& in);

}  // namespace trv::kafka::wire
