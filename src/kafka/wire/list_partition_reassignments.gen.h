// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ListPartitionReassignmentsRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  std::int32_t timeout_ms = 0;
  std::optional<std::vector<Topic>> topics;
};

struct ListPartitionReassignmentsResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::vector<std::int32_t> replicas;
      std::vector<std::int32_t> adding_replicas;
      std::vector<std::int32_t> removing_replicas;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Topic> topics;
};

struct ListPartitionReassignmentsApi {
  static constexpr std::int16_t key = 46;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ListPartitionReassignmentsRequest;
  using Response = ListPartitionReassignmentsResponse;
};

void decode(Decoder& in, ListPartitionReassignmentsRequest& out);
void encode(Encoder& out, const ListPartitionReassignmentsResponse& in);

}  // namespace trv::kafka::wire
