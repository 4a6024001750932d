// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/share_group_describe.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ShareGroupDescribeRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    out.group_ids.push_back(in.string());
  }
  out.include_authorized_operations = in.boolean();
  in.skip_tags();
}

void encode(Encoder& out, const ShareGroupDescribeResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.groups.size());
  for (const auto& item4 : in.groups) {
    out.i16(item4.error_code);
    out.nullable_string(item4.error_message);
    out.string(item4.group_id);
    out.string(item4.group_state);
    out.i32(item4.group_epoch);
    out.i32(item4.assignment_epoch);
    out.string(item4.assignor_name);
    out.array(item4.members.size());
    for (const auto& item5 : item4.members) {
      out.string(item5.member_id);
      out.nullable_string(item5.rack_id);
      out.i32(item5.member_epoch);
      out.string(item5.client_id);
      out.string(item5.client_host);
      out.array(item5.subscribed_topic_names.size());
      for (const auto& item6 : item5.subscribed_topic_names) {
        out.string(item6);
      }
      out.array(item5.assignment.topic_partitions.size());
      for (const auto& item7 : item5.assignment.topic_partitions) {
        out.uuid(item7.topic_id);
        out.string(item7.topic_name);
        out.array(item7.partitions.size());
        for (const auto& item8 : item7.partitions) {
          out.i32(item8);
        }
        out.tag_count(0);
      }
      out.tag_count(0);
      out.tag_count(0);
    }
    out.i32(item4.authorized_operations);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
