// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ListGroupsRequest {
  std::vector<ByteView> states_filter;
  std::vector<ByteView> types_filter;
};

struct ListGroupsResponse {
  struct Group {
    std::string group_id;
    std::string protocol_type;
    std::string state;
    std::string type;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<Group> groups;
};

struct ListGroupsApi {
  static constexpr std::int16_t key = 16;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 3;
  using Request = ListGroupsRequest;
  using Response = ListGroupsResponse;
};

void decode(Decoder& in, ListGroupsRequest& out);
void encode(Encoder& out, const ListGroupsResponse& in);

}  // namespace trv::kafka::wire
