// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_acls.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeAclsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.resource_type = in.i8();
  out.resource_name = in.nullable_string();
  out.pattern_type = in.i8();
  out.principal = in.nullable_string();
  out.host = in.nullable_string();
  out.operation = in.i8();
  out.permission_type = in.i8();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DescribeAclsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.array(in.resources.size());
  for (const auto& item1 : in.resources) {
    out.i8(item1.type);
    out.string(item1.name);
    out.i8(item1.pattern_type);
    out.array(item1.acls.size());
    for (const auto& item2 : item1.acls) {
      out.string(item2.principal);
      out.string(item2.host);
      out.i8(item2.operation);
      out.i8(item2.permission_type);
      if (version >= 2) {
        out.tag_count(0);
      }
    }
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
