// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct OffsetForLeaderEpochRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int32_t current_leader_epoch = -1;
      std::int32_t leader_epoch = 0;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  std::int32_t replica_id = -2;
  std::vector<Topic> topics;
};

struct OffsetForLeaderEpochResponse {
  struct Topic {
    struct Partition {
      std::int16_t error_code = 0;
      std::int32_t index = 0;
      std::int32_t leader_epoch = -1;
      std::int64_t end_offset = -1;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct OffsetForLeaderEpochApi {
  static constexpr std::int16_t key = 23;
  static constexpr std::int16_t version_min = 2;
  static constexpr std::int16_t version_max = 4;
  static constexpr std::int16_t flexible_from = 4;
  using Request = OffsetForLeaderEpochRequest;
  using Response = OffsetForLeaderEpochResponse;
};

void decode(Decoder& in, OffsetForLeaderEpochRequest& out);
void encode(Encoder& out, const OffsetForLeaderEpochResponse& in);

}  // namespace trv::kafka::wire
