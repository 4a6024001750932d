// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/share_fetch.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ShareFetchRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.nullable_string();
  out.member_id = in.nullable_string();
  out.share_session_epoch = in.i32();
  out.max_wait_ms = in.i32();
  out.min_bytes = in.i32();
  out.max_bytes = in.i32();
  out.max_records = in.i32();
  out.batch_size = in.i32();
  if (version >= 2) {
    out.share_acquire_mode = in.i8();
  }
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
  std::size_t count13 = in.array(17);
  for (std::size_t i15 = 0; i15 < count13 && in.ok(); ++i15) {
    auto& item14 = out.forgotten_topics.emplace_back();
    item14.topic_id = in.uuid();
    std::size_t count16 = in.array(4);
    for (std::size_t i18 = 0; i18 < count16 && in.ok(); ++i18) {
      item14.partitions.push_back(in.i32());
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const ShareFetchResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.i32(in.acquisition_lock_timeout_ms);
  out.array(in.topics.size());
  for (const auto& item19 : in.topics) {
    out.uuid(item19.topic_id);
    out.array(item19.partitions.size());
    for (const auto& item20 : item19.partitions) {
      out.i32(item20.index);
      out.i16(item20.error_code);
      out.nullable_string(item20.error_message);
      out.i16(item20.acknowledge_error_code);
      out.nullable_string(item20.acknowledge_error_message);
      out.i32(item20.current_leader.leader_id);
      out.i32(item20.current_leader.leader_epoch);
      out.tag_count(0);
      out.records(item20.records);
      out.array(item20.acquired_records.size());
      for (const auto& item21 : item20.acquired_records) {
        out.i64(item21.first_offset);
        out.i64(item21.last_offset);
        out.i16(item21.delivery_count);
        out.tag_count(0);
      }
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.array(in.node_endpoints.size());
  for (const auto& item22 : in.node_endpoints) {
    out.i32(item22.node_id);
    out.string(item22.host);
    out.i32(item22.port);
    out.nullable_string(item22.rack);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
