// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ShareGroupHeartbeatRequest {
  ByteView group_id;
  ByteView member_id;
  std::int32_t member_epoch = 0;
  std::optional<ByteView> rack_id;
  std::optional<std::vector<ByteView>> subscribed_topic_names;
};

struct ShareGroupHeartbeatResponse {
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

struct ShareGroupHeartbeatApi {
  static constexpr std::int16_t key = 76;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ShareGroupHeartbeatRequest;
  using Response = ShareGroupHeartbeatResponse;
};

void decode(Decoder& in, ShareGroupHeartbeatRequest& out);
void encode(Encoder& out, const ShareGroupHeartbeatResponse& in);

}  // namespace trv::kafka::wire
