// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_groups.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeGroupsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    out.groups.push_back(in.string());
  }
  if (version >= 3) {
    out.include_authorized_operations = in.boolean();
  }
  if (version >= 5) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DescribeGroupsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  out.array(in.groups.size());
  for (const auto& item4 : in.groups) {
    out.i16(item4.error_code);
    if (version >= 6) {
      out.nullable_string(item4.error_message);
    }
    out.string(item4.group_id);
    out.string(item4.state);
    out.string(item4.protocol_type);
    out.string(item4.protocol_name);
    out.array(item4.members.size());
    for (const auto& item5 : item4.members) {
      out.string(item5.member_id);
      if (version >= 4) {
        out.nullable_string(item5.group_instance_id);
      }
      out.string(item5.client_id);
      out.string(item5.client_host);
      out.bytes(item5.metadata);
      out.bytes(item5.assignment);
      if (version >= 5) {
        out.tag_count(0);
      }
    }
    if (version >= 3) {
      out.i32(item4.authorized_operations);
    }
    if (version >= 5) {
      out.tag_count(0);
    }
  }
  if (version >= 5) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
