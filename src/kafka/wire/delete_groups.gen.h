// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DeleteGroupsRequest {
  std::vector<ByteView> groups;
};

struct DeleteGroupsResponse {
  struct Result {
    std::string group_id;
    std::int16_t error_code = 0;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct DeleteGroupsApi {
  static constexpr std::int16_t key = 42;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = DeleteGroupsRequest;
  using Response = DeleteGroupsResponse;
};

void decode(Decoder& in, DeleteGroupsRequest& out);
void encode(Encoder& out, const DeleteGroupsResponse& in);

}  // namespace trv::kafka::wire
