// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/join_group.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, JoinGroupRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.session_timeout_ms = in.i32();
  if (version >= 1) {
    out.rebalance_timeout_ms = in.i32();
  }
  out.member_id = in.string();
  if (version >= 5) {
    out.group_instance_id = in.nullable_string();
  }
  out.protocol_type = in.string();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.protocols.emplace_back();
    item2.name = in.string();
    item2.metadata = in.bytes();
    if (version >= 6) {
      in.skip_tags();
    }
  }
  if (version >= 8) {
    out.reason = in.nullable_string();
  }
  if (version >= 6) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const JoinGroupResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 2) {
    out.i32(in.throttle_time_ms);
  }
  out.i16(in.error_code);
  out.i32(in.generation_id);
  if (version >= 7) {
    out.nullable_string(in.protocol_type);
  }
  if (version >= 7) {
    out.nullable_string(in.protocol_name);
  } else {
    out.string(in.protocol_name ? ByteView(*in.protocol_name) : ByteView());
  }
  out.string(in.leader);
  if (version >= 9) {
    out.boolean(in.skip_assignment);
  }
  out.string(in.member_id);
  out.array(in.members.size());
  for (const auto& item4 : in.members) {
    out.string(item4.member_id);
    if (version >= 5) {
      out.nullable_string(item4.group_instance_id);
    }
    out.bytes(item4.metadata);
    if (version >= 6) {
      out.tag_count(0);
    }
  }
  if (version >= 6) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
