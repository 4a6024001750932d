// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/sync_group.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, SyncGroupRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.generation_id = in.i32();
  out.member_id = in.string();
  if (version >= 3) {
    out.group_instance_id = in.nullable_string();
  }
  if (version >= 5) {
    out.protocol_type = in.nullable_string();
  }
  if (version >= 5) {
    out.protocol_name = in.nullable_string();
  }
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.assignments.emplace_back();
    item2.member_id = in.string();
    item2.assignment = in.bytes();
    if (version >= 4) {
      in.skip_tags();
    }
  }
  if (version >= 4) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const SyncGroupResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  out.i16(in.error_code);
  if (version >= 5) {
    out.nullable_string(in.protocol_type);
  }
  if (version >= 5) {
    out.nullable_string(in.protocol_name);
  }
  out.bytes(in.assignment);
  if (version >= 4) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
