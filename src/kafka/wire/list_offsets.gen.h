// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ListOffsetsRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int32_t current_leader_epoch = -1;
      std::int64_t timestamp = 0;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  std::int32_t replica_id = 0;
  std::int8_t isolation_level = 0;
  std::vector<Topic> topics;
};

struct ListOffsetsResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::int64_t timestamp = -1;
      std::int64_t offset = -1;
      std::int32_t leader_epoch = -1;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct ListOffsetsApi {
  static constexpr std::int16_t key = 2;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 9;
  static constexpr std::int16_t flexible_from = 6;
  using Request = ListOffsetsRequest;
  using Response = ListOffsetsResponse;
};

void decode(Decoder& in, ListOffsetsRequest& out);
void encode(Encoder& out, const ListOffsetsResponse& in);

}  // namespace trv::kafka::wire
