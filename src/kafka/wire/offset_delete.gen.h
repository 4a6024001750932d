// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct OffsetDeleteRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  ByteView group_id;
  std::vector<Topic> topics;
};

struct OffsetDeleteResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int16_t error_code = 0;
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct OffsetDeleteApi {
  static constexpr std::int16_t key = 47;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 32767;
  using Request = OffsetDeleteRequest;
  using Response = OffsetDeleteResponse;
};

void decode(Decoder& in, OffsetDeleteRequest& out);
void encode(Encoder& out, const OffsetDeleteResponse& in);

}  // namespace trv::kafka::wire
