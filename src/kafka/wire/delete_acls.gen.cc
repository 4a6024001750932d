// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/delete_acls.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DeleteAclsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(7);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.filters.emplace_back();
    item2.resource_type = in.i8();
    item2.resource_name = in.nullable_string();
    item2.pattern_type = in.i8();
    item2.principal = in.nullable_string();
    item2.host = in.nullable_string();
    item2.operation = in.i8();
    item2.permission_type = in.i8();
    if (version >= 2) {
      in.skip_tags();
    }
  }
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DeleteAclsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item4 : in.results) {
    out.i16(item4.error_code);
    out.nullable_string(item4.error_message);
    out.array(item4.matching_acls.size());
    for (const auto& item5 : item4.matching_acls) {
      out.i16(item5.error_code);
      out.nullable_string(item5.error_message);
      out.i8(item5.resource_type);
      out.string(item5.resource_name);
      out.i8(item5.pattern_type);
      out.string(item5.principal);
      out.string(item5.host);
      out.i8(item5.operation);
      out.i8(item5.permission_type);
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
