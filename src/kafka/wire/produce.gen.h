// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ProduceRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::optional<ByteView> records;
    };
    ByteView name;
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  std::optional<ByteView> transactional_id;
  std::int16_t acks = 0;
  std::int32_t timeout_ms = 0;
  std::vector<Topic> topics;
};

struct ProduceResponse {
  struct Topic {
    struct Partition {
      struct RecordError {
        std::int32_t batch_index = 0;
        std::optional<std::string> message;
      };
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::int64_t base_offset = -1;
      std::int64_t log_append_time_ms = -1;
      std::int64_t log_start_offset = -1;
      std::vector<RecordError> record_errors;
      std::optional<std::string> error_message;
    };
    std::string name;
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  std::vector<Topic> topics;
  std::int32_t throttle_time_ms = 0;
};

struct ProduceApi {
  static constexpr std::int16_t key = 0;
  static constexpr std::int16_t version_min = 3;
  static constexpr std::int16_t version_max = 13;
  static constexpr std::int16_t flexible_from = 9;
  using Request = ProduceRequest;
  using Response = ProduceResponse;
};

void decode(Decoder& in, ProduceRequest& out);
void encode(Encoder& out, const ProduceResponse& in);

}  // namespace trv::kafka::wire
