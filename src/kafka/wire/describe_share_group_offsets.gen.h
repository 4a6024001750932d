// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeShareGroupOffsetsRequest {
  struct Group {
    struct Topic {
      ByteView name;
      std::vector<std::int32_t> partitions;
    };
    ByteView group_id;
    std::optional<std::vector<Topic>> topics;
  };
  std::vector<Group> groups;
};

struct DescribeShareGroupOffsetsResponse {
  struct Group {
    struct Topic {
      struct Partition {
        std::int32_t index = 0;
        std::int64_t start_offset = 0;
        std::int32_t leader_epoch = 0;
        std::int64_t lag = -1;
        std::int16_t error_code = 0;
        std::optional<std::string> error_message;
      };
      std::string name;
      Uuid topic_id;
      std::vector<Partition> partitions;
    };
    std::string group_id;
    std::vector<Topic> topics;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Group> groups;
};

struct DescribeShareGroupOffsetsApi {
  static constexpr std::int16_t key = 90;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeShareGroupOffsetsRequest;
  using Response = DescribeShareGroupOffsetsResponse;
};

void decode(Decoder& in, DescribeShareGroupOffsetsRequest& out);
void encode(Encoder& out, const DescribeShareGroupOffsetsResponse& in);

}  // namespace trv::kafka::wire
