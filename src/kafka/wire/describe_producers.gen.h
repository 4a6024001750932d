// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeProducersRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  std::vector<Topic> topics;
};

struct DescribeProducersResponse {
  struct Topic {
    struct Partition {
      struct Producer {
        std::int64_t producer_id = 0;
        std::int32_t producer_epoch = 0;
        std::int32_t last_sequence = -1;
        std::int64_t last_timestamp = -1;
        std::int32_t coordinator_epoch = 0;
        std::int64_t transaction_start = -1;
      };
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::optional<std::string> error_message;
      std::vector<Producer> active_producers;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct DescribeProducersApi {
  static constexpr std::int16_t key = 61;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeProducersRequest;
  using Response = DescribeProducersResponse;
};

void decode(Decoder& in, DescribeProducersRequest& out);
void encode(Encoder& out, const DescribeProducersResponse& in);

}  // namespace trv::kafka::wire
