// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeTopicPartitionsRequest {
  struct Topic {
    ByteView name;
  };
  struct Cursor {
    ByteView topic_name;
    std::int32_t partition_index = 0;
  };
  std::vector<Topic> topics;
  std::int32_t partition_limit = 2000;
  std::optional<Cursor> cursor;
};

struct DescribeTopicPartitionsResponse {
  struct Topic {
    struct Partition {
      std::int16_t error_code = 0;
      std::int32_t index = 0;
      std::int32_t leader_id = 0;
      std::int32_t leader_epoch = -1;
      std::vector<std::int32_t> replica_nodes;
      std::vector<std::int32_t> isr_nodes;
      std::optional<std::vector<std::int32_t>> eligible_leader_replicas;
      std::optional<std::vector<std::int32_t>> last_known_elr;
      std::vector<std::int32_t> offline_replicas;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> name;
    Uuid topic_id;
    bool is_internal = false;
    std::vector<Partition> partitions;
    std::int32_t authorized_operations = INT32_MIN;
  };
  struct Cursor {
    std::string topic_name;
    std::int32_t partition_index = 0;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
  std::optional<Cursor> cursor;
};

struct DescribeTopicPartitionsApi {
  static constexpr std::int16_t key = 75;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeTopicPartitionsRequest;
  using Response = DescribeTopicPartitionsResponse;
};

void decode(Decoder& in, DescribeTopicPartitionsRequest& out);
void encode(Encoder& out, const DescribeTopicPartitionsResponse& in);

}  // namespace trv::kafka::wire
