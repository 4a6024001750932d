// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeAclsRequest {
  std::int8_t resource_type = 0;
  std::optional<ByteView> resource_name;
  std::int8_t pattern_type = 3;
  std::optional<ByteView> principal;
  std::optional<ByteView> host;
  std::int8_t operation = 0;
  std::int8_t permission_type = 0;
};

struct DescribeAclsResponse {
  struct Resource {
    struct Acl {
      std::string principal;
      std::string host;
      std::int8_t operation = 0;
      std::int8_t permission_type = 0;
    };
    std::int8_t type = 0;
    std::string name;
    std::int8_t pattern_type = 3;
    std::vector<Acl> acls;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::optional<std::string> error_message;
  std::vector<Resource> resources;
};

struct DescribeAclsApi {
  static constexpr std::int16_t key = 29;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 2;
  using Request = DescribeAclsRequest;
  using Response = DescribeAclsResponse;
};

void decode(Decoder& in, DescribeAclsRequest& out);
void encode(Encoder& out, const DescribeAclsResponse& in);

}  // namespace trv::kafka::wire
