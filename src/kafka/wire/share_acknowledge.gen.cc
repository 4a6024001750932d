// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/share_acknowledge.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ShareAcknowledgeRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.nullable_string();
  out.member_id = in.nullable_string();
  out.share_session_epoch = in.i32();
  if (version >= 2) {
    out.is_renew_ack = in.boolean();
  }
  std::size_t count1 = in.array(17);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.topic_id = in.uuid();
    std::size_t count4 = in.array(5);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      std::size_t count7 = in.array(17);
      for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
        auto& item8 = item5.acknowledgement_batches.emplace_back();
        item8.first_offset = in.i64();
        item8.last_offset = in.i64();
        std::size_t count10 = in.array(1);
        for (std::size_t i12 = 0; i12 < count10 && in.ok(); ++i12) {
          item8.acknowledge_types.push_back(in.i8());
        }
        in.skip_tags();
      }
      in.skip_tags();
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const ShareAcknowledgeResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  if (version >= 2) {
    out.i32(in.acquisition_lock_timeout_ms);
  }
  out.array(in.topics.size());
  for (const auto& item13 : in.topics) {
    out.uuid(item13.topic_id);
    out.array(item13.partitions.size());
    for (const auto& item14 : item13.partitions) {
      out.i32(item14.index);
      out.i16(item14.error_code);
      out.nullable_string(item14.error_message);
      out.i32(item14.current_leader.leader_id);
      out.i32(item14.current_leader.leader_epoch);
      out.tag_count(0);
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.array(in.node_endpoints.size());
  for (const auto& item15 : in.node_endpoints) {
    out.i32(item15.node_id);
    out.string(item15.host);
    out.i32(item15.port);
    out.nullable_string(item15.rack);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
