// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/consumer_group_heartbeat.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ConsumerGroupHeartbeatRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.member_id = in.string();
  out.member_epoch = in.i32();
  out.instance_id = in.nullable_string();
  out.rack_id = in.nullable_string();
  out.rebalance_timeout_ms = in.i32();
  std::optional<std::size_t> count1 = in.nullable_array(1);
  if (count1) {
    out.subscribed_topic_names.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      (*out.subscribed_topic_names).push_back(in.string());
    }
  }
  if (version >= 1) {
    out.subscribed_topic_regex = in.nullable_string();
  }
  out.server_assignor = in.nullable_string();
  std::optional<std::size_t> count4 = in.nullable_array(17);
  if (count4) {
    out.topic_partitions.emplace();
    for (std::size_t i6 = 0; i6 < *count4 && in.ok(); ++i6) {
      auto& item5 = (*out.topic_partitions).emplace_back();
      item5.topic_id = in.uuid();
      std::size_t count7 = in.array(4);
      for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
        item5.partitions.push_back(in.i32());
      }
      in.skip_tags();
    }
  }
  in.skip_tags();
}

void encode(Encoder& out, const ConsumerGroupHeartbeatResponse& in) {
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
    for (const auto& item10 : (*in.assignment).topic_partitions) {
      out.uuid(item10.topic_id);
      out.array(item10.partitions.size());
      for (const auto& item11 : item10.partitions) {
        out.i32(item11);
      }
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
