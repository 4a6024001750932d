// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/share_group_heartbeat.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ShareGroupHeartbeatRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.member_id = in.string();
  out.member_epoch = in.i32();
  out.rack_id = in.nullable_string();
  std::optional<std::size_t> count1 = in.nullable_array(1);
  if (count1) {
    out.subscribed_topic_names.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      (*out.subscribed_topic_names).push_back(in.string());
    }
  }
  in.skip_tags();
}

void encode(Encoder& out, const ShareGroupHeartbeatResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.nullable_string(in.member_id);
  out.i32(in.member_epoch);
  out.i32(in.heartbeat_interval_ms);
  out.i8(in.assignment ? 1 : -1);
  if (in.assignment) {
    out.array((*in.assignment).topic_partitions.size());
    for (const auto& item4 : (*in.assignment).topic_partitions) {
      out.uuid(item4.topic_id);
      out.array(item4.partitions.size());
      for (const auto& item5 : item4.partitions) {
        out.i32(item5);
      }
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
