// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/leave_group.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, LeaveGroupRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  if (version <= 2) {
    out.member_id = in.string();
  }
  if (version >= 3) {
    std::size_t count1 = in.array(2);
    for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
      auto& item2 = out.members.emplace_back();
      item2.member_id = in.string();
      item2.group_instance_id = in.nullable_string();
      if (version >= 5) {
        item2.reason = in.nullable_string();
      }
      if (version >= 4) {
        in.skip_tags();
      }
    }
  }
  if (version >= 4) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const LeaveGroupResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  out.i16(in.error_code);
  if (version >= 3) {
    out.array(in.members.size());
    for (const auto& item4 : in.members) {
      out.string(item4.member_id);
      out.nullable_string(item4.group_instance_id);
      out.i16(item4.error_code);
      if (version >= 4) {
        out.tag_count(0);
      }
    }
  }
  if (version >= 4) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
