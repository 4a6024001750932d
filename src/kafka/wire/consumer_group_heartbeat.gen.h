// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ConsumerGroupHeartbeatRequest {
  struct TopicPartitions {
    Uuid topic_id;
    std::vector<std::int32_t> partitions;
  };
  ByteView group_id;
  ByteView member_id;
  std::int32_t member_epoch = 0;
  std::optional<ByteView> instance_id;
  std::optional<ByteView> rack_id;
  std::int32_t rebalance_timeout_ms = -1;
  std::optional<std::vector<ByteView>> subscribed_topic_names;
  std::optional<ByteView> subscribed_topic_regex;
  std::optional<ByteView> server_assignor;
  std::optional<std::vector<TopicPartitions>> topic_partitions;
};

struct ConsumerGroupHeartbeatResponse {
  struct Assignment {
    struct TopicPartitions {
      Uuid topic_id;
      std::vector<std::int32_t> partitions;
    };
    std::vector<TopicPartitions> topic_partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::optional<std::string> member_id;
  std::int32_t member_epoch = 0;
  std::int32_t heartbeat_interval_ms = 0;
  std::optional<Assignment> assignment;
};

struct ConsumerGroupHeartbeatApi {
  static constexpr std::int16_t key = 68;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ConsumerGroupHeartbeatRequest;
  using Response = ConsumerGroupHeartbeatResponse;
};

void decode(Decoder& in, ConsumerGroupHeartbeatRequest& out);
void encode(Encoder& out, const ConsumerGroupHeartbeatResponse& in);

}  // namespace trv::kafka::wire
