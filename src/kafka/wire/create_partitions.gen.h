// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct CreatePartitionsRequest {
  struct Topic {
    struct Assignment {
      std::vector<std::int32_t> broker_ids;
    };
    ByteView name;
    std::int32_t count = 0;
    std::optional<std::vector<Assignment>> assignments;
  };
  std::vector<Topic> topics;
  std::int32_t timeout_ms = 0;
  bool validate_only = false;
};

struct CreatePartitionsResponse {
  struct Result {
    std::string name;
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Result> results;
};

struct CreatePartitionsApi {
  static constexpr std::int16_t key = 37;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 2;
  using Request = CreatePartitionsRequest;
  using Response = CreatePartitionsResponse;
};

void decode(Decoder& in, CreatePartitionsRequest& out);
void encode(Encoder& out, const CreatePartitionsResponse& in);

}  // namespace trv::kafka::wire
