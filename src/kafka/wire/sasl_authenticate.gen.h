// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct SaslAuthenticateRequest {
  ByteView auth_bytes;
};

struct SaslAuthenticateResponse {
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::string auth_bytes;
  std::int64_t session_lifetime_ms = 0;
};

struct SaslAuthenticateApi {
  static constexpr std::int16_t key = 36;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 2;
  static constexpr std::int16_t flexible_from = 2;
  using Request = SaslAuthenticateRequest;
  using Response = SaslAuthenticateResponse;
};

void decode(Decoder& in, SaslAuthenticateRequest& out);
void encode(Encoder& out, const SaslAuthenticateResponse& in);

}  // namespace trv::kafka::wire
