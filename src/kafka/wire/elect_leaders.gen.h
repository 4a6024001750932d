// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ElectLeadersRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  std::int8_t election_type = 0;
  std::optional<std::vector<Topic>> topics;
  std::int32_t timeout_ms = 0;
};

struct ElectLeadersResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
      std::optional<std::string> error_message;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<Topic> topics;
};

struct ElectLeadersApi {
  static constexpr std::int16_t key = 43;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = ElectLeadersRequest;
  using Response = ElectLeadersResponse;
};

void decode(Decoder& in, ElectLeadersRequest& out);
void encode(Encoder& out, const ElectLeadersResponse& in);

}  // namespace trv::kafka::wire
