// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ShareAcknowledgeRequest {
  struct Topic {
    struct Partition {
      struct AcknowledgementBatch {
        std::int64_t first_offset = 0;
        std::int64_t last_offset = 0;
        std::vector<std::int8_t> acknowledge_types;
      };
      std::int32_t index = 0;
      std::vector<AcknowledgementBatch> acknowledgement_batches;
    };
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  std::optional<ByteView> group_id;
  std::optional<ByteView> member_id;
  std::int32_t share_session_epoch = 0;
  bool is_renew_ack = false;
  std::vector<Topic> topics;
};

struct ShareAcknowledgeResponse {
  struct Topic {
    struct Partition {
      struct Leader {
        std::int32_t leader_id = 0;
        std::int32_t leader_epoch = 0;
      };
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::optional<std::string> error_message;
      Leader current_leader;
    };
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  struct NodeEndpoint {
    std::int32_t node_id = 0;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::int32_t acquisition_lock_timeout_ms = 0;
  std::vector<Topic> topics;
  std::vector<NodeEndpoint> node_endpoints;
};

struct ShareAcknowledgeApi {
  static constexpr std::int16_t key = 79;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ShareAcknowledgeRequest;
  using Response = ShareAcknowledgeResponse;
};

void decode(Decoder& in, ShareAcknowledgeRequest& out);
void encode(Encoder& out, const ShareAcknowledgeResponse& in);

}  // namespace trv::kafka::wire
