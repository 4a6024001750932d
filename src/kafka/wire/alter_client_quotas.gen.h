// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AlterClientQuotasRequest {
  struct Entry {
    struct Entity {
      ByteView type;
      std::optional<ByteView> name;
    };
    struct Op {
      ByteView key;
      double value = 0;
      bool remove = false;
    };
    std::vector<Entity> entity;
    std::vector<Op> ops;
  };
  std::vector<Entry> entries;
  bool validate_only = false;
};

struct AlterClientQuotasResponse {
  struct Entry {
    struct Entity {
      std::string type;
      std::optional<std::string> name;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::vector<Entity> entity;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Entry> entries;
};

struct AlterClientQuotasApi {
  static constexpr std::int16_t key = 49;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 1;
  using Request = AlterClientQuotasRequest;
  using Response = AlterClientQuotasResponse;
};

void decode(Decoder& in, AlterClientQuotasRequest& out);
void encode(Encoder& out, const AlterClientQuotasResponse& in);

}  // namespace trv::kafka::wire
