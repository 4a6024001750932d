// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeLogDirsRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  std::optional<std::vector<Topic>> topics;
};

struct DescribeLogDirsResponse {
  struct Result {
    struct Topic {
      struct Partition {
        std::int32_t index = 0;
        std::int64_t size = 0;
        std::int64_t offset_lag = 0;
        bool is_future = false;
      };
      std::string name;
      std::vector<Partition> partitions;
    };
    std::int16_t error_code = 0;
    std::string log_dir;
    std::vector<Topic> topics;
    std::int64_t total_bytes = -1;
    std::int64_t usable_bytes = -1;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<Result> results;
};

struct DescribeLogDirsApi {
  static constexpr std::int16_t key = 35;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 4;
  static constexpr std::int16_t flexible_from = 2;
  using Request = DescribeLogDirsRequest;
  using Response = DescribeLogDirsResponse;
};

void decode(Decoder& in, DescribeLogDirsRequest& out);
void encode(Encoder& out, const DescribeLogDirsResponse& in);

}  // namespace trv::kafka::wire
