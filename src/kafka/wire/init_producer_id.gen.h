// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct InitProducerIdRequest {
  std::optional<ByteView> transactional_id;
  std::int32_t transaction_timeout_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
};

struct InitProducerIdResponse {
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
};

struct InitProducerIdApi {
  static constexpr std::int16_t key = 22;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 2;
  using Request = InitProducerIdRequest;
  using Response = InitProducerIdResponse;
};

void decode(Decoder& in, InitProducerIdRequest& out);
void encode(Encoder& out, const InitProducerIdResponse& in);

}  // namespace trv::kafka::wire
