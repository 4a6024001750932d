// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeClientQuotasRequest {
  struct Component {
    ByteView entity_type;
    std::int8_t match_type = 0;
    std::optional<ByteView> match;
  };
  std::vector<Component> components;
  bool strict = false;
};

struct DescribeClientQuotasResponse {
  struct Entry {
    struct Entity {
      std::string type;
      std::optional<std::string> name;
    };
    struct Value {
      std::string key;
      double value = 0;
    };
    std::vector<Entity> entity;
    std::vector<Value> values;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::optional<std::vector<Entry>> entries;
};

struct DescribeClientQuotasApi {
  static constexpr std::int16_t key = 48;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 1;
  using Request = DescribeClientQuotasRequest;
  using Response = DescribeClientQuotasResponse;
};

void decode(Decoder& in, DescribeClientQuotasRequest& out);
void encode(Encoder& out, const DescribeClientQuotasResponse& in);

}  // namespace trv::kafka::wire
