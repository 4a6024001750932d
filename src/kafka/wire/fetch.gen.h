// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct FetchRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int32_t current_leader_epoch = -1;
      std::int64_t fetch_offset = 0;
      std::int32_t last_fetched_epoch = -1;
      std::int64_t log_start_offset = -1;
      std::int32_t max_bytes = 0;
    };
    ByteView name;
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  struct ForgottenTopic {
    ByteView name;
    Uuid topic_id;
    std::vector<std::int32_t> partitions;
  };
  std::int32_t replica_id = -1;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = 0;
  std::int8_t isolation_level = 0;
  std::int32_t session_id = 0;
  std::int32_t session_epoch = -1;
  std::vector<Topic> topics;
  std::vector<ForgottenTopic> forgotten_topics;
  ByteView rack_id;
  std::optional<ByteView> cluster_id;
};

struct FetchResponse {
  struct Topic {
    struct Partition {
      struct AbortedTransaction {
        std::int64_t producer_id = 0;
        std::int64_t first_offset = 0;
      };
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::int64_t high_watermark = -1;
      std::int64_t last_stable_offset = -1;
      std::int64_t log_start_offset = -1;
      std::optional<std::vector<AbortedTransaction>> aborted_transactions;
      std::int32_t preferred_read_replica = -1;
      Records records;
    };
    std::string name;
    Uuid topic_id;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int32_t session_id = 0;
  std::vector<Topic> topics;
};

struct FetchApi {
  static constexpr std::int16_t key = 1;
  static constexpr std::int16_t version_min = 4;
  static constexpr std::int16_t version_max = 16;
  static constexpr std::int16_t flexible_from = 12;
  using Request = FetchRequest;
  using Response = FetchResponse;
};

void decode(Decoder& in, FetchRequest& out);
void encode(Encoder& out, const FetchResponse& in);

}  // namespace trv::kafka::wire
