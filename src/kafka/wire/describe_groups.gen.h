// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeGroupsRequest {
  std::vector<ByteView> groups;
  bool include_authorized_operations = false;
};

struct DescribeGroupsResponse {
  struct Group {
    struct Member {
      std::string member_id;
      std::optional<std::string> group_instance_id;
      std::string client_id;
      std::string client_host;
      std::string metadata;
      std::string assignment;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::string group_id;
    std::string state;
    std::string protocol_type;
    std::string protocol_name;
    std::vector<Member> members;
    std::int32_t authorized_operations = INT32_MIN;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Group> groups;
};

struct DescribeGroupsApi {
  static constexpr std::int16_t key = 15;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 6;
  static constexpr std::int16_t flexible_from = 5;
  using Request = DescribeGroupsRequest;
  using Response = DescribeGroupsResponse;
};

void decode(Decoder& in, DescribeGroupsRequest& out);
void encode(Encoder& out, const DescribeGroupsResponse& in);

}  // namespace trv::kafka::wire
