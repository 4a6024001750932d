// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct EndTxnRequest {
  ByteView transactional_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  bool committed = false;
};

struct EndTxnResponse {
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
};

struct EndTxnApi {
  static constexpr std::int16_t key = 26;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 3;
  using Request = EndTxnRequest;
  using Response = EndTxnResponse;
};

void decode(Decoder& in, EndTxnRequest& out);
void encode(Encoder& out, const EndTxnResponse& in);

}  // namespace trv::kafka::wire
