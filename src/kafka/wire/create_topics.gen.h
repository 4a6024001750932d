// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct CreateTopicsRequest {
  struct Topic {
    struct Assignment {
      std::int32_t partition_index = 0;
      std::vector<std::int32_t> broker_ids;
    };
    struct Config {
      ByteView name;
      std::optional<ByteView> value;
    };
    ByteView name;
    std::int32_t num_partitions = 0;
    std::int16_t replication_factor = 0;
    std::vector<Assignment> assignments;
    std::vector<Config> configs;
  };
  std::vector<Topic> topics;
  std::int32_t timeout_ms = 0;
  bool validate_only = false;
};

struct CreateTopicsResponse {
  struct Topic {
    struct Config {
      std::string name;
      std::optional<std::string> value;
      bool read_only = false;
      std::int8_t config_source = -1;
      bool is_sensitive = false;
    };
    std::string name;
    Uuid topic_id;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::int16_t topic_config_error_code = 0;
    std::int32_t num_partitions = -1;
    std::int16_t replication_factor = -1;
    std::optional<std::vector<Config>> configs;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct CreateTopicsApi {
  static constexpr std::int16_t key = 19;
  static constexpr std::int16_t version_min = 2;
  static constexpr std::int16_t version_max = 7;
  static constexpr std::int16_t flexible_from = 5;
  using Request = CreateTopicsRequest;
  using Response = CreateTopicsResponse;
};

void decode(Decoder& in, CreateTopicsRequest& out);
void encode(Encoder& out, const CreateTopicsResponse& in);

}  // namespace trv::kafka::wire
