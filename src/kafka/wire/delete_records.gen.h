// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DeleteRecordsRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int64_t offset = 0;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  std::vector<Topic> topics;
  std::int32_t timeout_ms = 0;
};

struct DeleteRecordsResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int64_t low_watermark = -1;
      std::int16_t error_code = 0;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct DeleteRecordsApi {
  static constexpr std::int16_t key = 21;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = DeleteRecordsRequest;
  using Response = DeleteRecordsResponse;
};

void decode(Decoder& in, DeleteRecordsRequest& out);
void encode(Encoder& out, const DeleteRecordsResponse& in);

}  // namespace trv::kafka::wire
