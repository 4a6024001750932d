// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DeleteShareGroupOffsetsRequest {
  struct Topic {
    ByteView name;
  };
  ByteView group_id;
  std::vector<Topic> topics;
};

struct DeleteShareGroupOffsetsResponse {
  struct Topic {
    std::string name;
    Uuid topic_id;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Topic> topics;
};

struct DeleteShareGroupOffsetsApi {
  static constexpr std::int16_t key = 92;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DeleteShareGroupOffsetsRequest;
  using Response = DeleteShareGroupOffsetsResponse;
};

void decode(Decoder& in, DeleteShareGroupOffsetsRequest& out);
void encode(Encoder& out, const DeleteShareGroupOffsetsResponse& in);

}  // namespace trv::kafka::wire
