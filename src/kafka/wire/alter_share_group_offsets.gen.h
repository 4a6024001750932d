// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AlterShareGroupOffsetsRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int64_t start_offset = 0;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  ByteView group_id;
  std::vector<Topic> topics;
};

struct AlterShareGroupOffsetsResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::optional<std::string> error_message;
    };
    std::string name;
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Topic> topics;
};

struct AlterShareGroupOffsetsApi {
  static constexpr std::int16_t key = 91;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = AlterShareGroupOffsetsRequest;
  using Response = AlterShareGroupOffsetsResponse;
};

void decode(Decoder& in, AlterShareGroupOffsetsRequest& out);
void encode(Encoder& out, const AlterShareGroupOffsetsResponse& in);

}  // namespace trv::kafka::wire
