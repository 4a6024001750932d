// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/alter_share_group_offsets.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, AlterShareGroupOffsetsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(12);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      item5.start_offset = in.i64();
      in.skip_tags();
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const AlterShareGroupOffsetsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.uuid(item7.topic_id);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      out.nullable_string(item8.error_message);
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
