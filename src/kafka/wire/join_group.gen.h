// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct JoinGroupRequest {
  struct Protocol {
    ByteView name;
    ByteView metadata;
  };
  ByteView group_id;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = -1;
  ByteView member_id;
  std::optional<ByteView> group_instance_id;
  ByteView protocol_type;
  std::vector<Protocol> protocols;
  std::optional<ByteView> reason;
};

struct JoinGroupResponse {
  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::string metadata;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int32_t generation_id = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<Member> members;
};

struct JoinGroupApi {
  static constexpr std::int16_t key = 11;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 9;
  static constexpr std::int16_t flexible_from = 6;
  using Request = JoinGroupRequest;
  using Response = JoinGroupResponse;
};

void decode(Decoder& in, JoinGroupRequest& out);
void encode(Encoder& out, const JoinGroupResponse& in);

}  // namespace trv::kafka::wire
