// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct MetadataRequest {
  struct Topic {
    Uuid topic_id;
    std::optional<ByteView> name;
  };
  std::optional<std::vector<Topic>> topics;
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;
};

struct MetadataResponse {
  struct Broker {
    std::int32_t node_id = 0;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;
  };
  struct Topic {
    struct Partition {
      std::int16_t error_code = 0;
      std::int32_t index = 0;
      std::int32_t leader_id = 0;
      std::int32_t leader_epoch = -1;
      std::vector<std::int32_t> replica_nodes;
      std::vector<std::int32_t> isr_nodes;
      std::vector<std::int32_t> offline_replicas;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> name;
    Uuid topic_id;
    bool is_internal = false;
    std::vector<Partition> partitions;
    std::int32_t authorized_operations = INT32_MIN;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Broker> brokers;
  std::optional<std::string> cluster_id;
  std::int32_t controller_id = -1;
  std::vector<Topic> topics;
  std::int32_t cluster_authorized_operations = INT32_MIN;
  std::int16_t error_code = 0;
};

struct MetadataApi {
  static constexpr std::int16_t key = 3;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 13;
  static constexpr std::int16_t flexible_from = 9;
  using Request = MetadataRequest;
  using Response = MetadataResponse;
};

void decode(Decoder& in, MetadataRequest& out);
void encode(Encoder& out, const MetadataResponse& in);

}  // namespace trv::kafka::wire
