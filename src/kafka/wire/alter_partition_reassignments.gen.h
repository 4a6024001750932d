// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AlterPartitionReassignmentsRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::optional<std::vector<std::int32_t>> replicas;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  std::int32_t timeout_ms = 0;
  bool allow_replication_factor_change = true;
  std::vector<Topic> topics;
};

struct AlterPartitionReassignmentsResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::optional<std::string> error_message;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  bool allow_replication_factor_change = true;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Topic> topics;
};

struct AlterPartitionReassignmentsApi {
  static constexpr std::int16_t key = 45;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = AlterPartitionReassignmentsRequest;
  using Response = AlterPartitionReassignmentsResponse;
};

void decode(Decoder& in, AlterPartitionReassignmentsRequest& out);
void encode(Encoder& out, const AlterPartitionReassignmentsResponse& in);

}  // namespace trv::kafka::wire
