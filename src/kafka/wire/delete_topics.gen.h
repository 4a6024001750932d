// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DeleteTopicsRequest {
  struct Topic {
    std::optional<ByteView> name;
    Uuid topic_id;
  };
  std::vector<Topic> topics;
  std::vector<ByteView> topic_names;
  std::int32_t timeout_ms = 0;
};

struct DeleteTopicsResponse {
  struct Topic {
    std::optional<std::string> name;
    Uuid topic_id;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct DeleteTopicsApi {
  static constexpr std::int16_t key = 20;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 6;
  static constexpr std::int16_t flexible_from = 4;
  using Request = DeleteTopicsRequest;
  using Response = DeleteTopicsResponse;
};

void decode(Decoder& in, DeleteTopicsRequest& out);
void encode(Encoder& out, const DeleteTopicsResponse& in);

}  // namespace trv::kafka::wire
