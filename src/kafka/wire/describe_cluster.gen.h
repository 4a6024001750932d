// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeClusterRequest {
  bool include_cluster_authorized_operations = false;
  std::int8_t endpoint_type = 1;
};

struct DescribeClusterResponse {
  struct Broker {
    std::int32_t node_id = 0;
    std::string host;
    std::int32_t port = 0;
    std::optional<std::string> rack;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::int8_t endpoint_type = 1;
  std::string cluster_id;
  std::int32_t controller_id = -1;
  std::vector<Broker> brokers;
  std::int32_t cluster_authorized_operations = INT32_MIN;
};

struct DescribeClusterApi {
  static constexpr std::int16_t key = 60;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeClusterRequest;
  using Response = DescribeClusterResponse;
};

void decode(Decoder& in, DescribeClusterRequest& out);
void encode(Encoder& out, const DescribeClusterResponse& in);

}  // namespace trv::kafka::wire
