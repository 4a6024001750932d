// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct SaslHandshakeRequest {
  ByteView mechanism;
};

struct SaslHandshakeResponse {
  std::int16_t error_code = 0;
  std::vector<std::string> mechanisms;
};

struct SaslHandshakeApi {
  static constexpr std::int16_t key = 17;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 32767;
  using Request = SaslHandshakeRequest;
  using Response = SaslHandshakeResponse;
};

void decode(Decoder& in, SaslHandshakeRequest& out);
void encode(Encoder& out, const SaslHandshakeResponse& in);

}  // namespace trv::kafka::wire
