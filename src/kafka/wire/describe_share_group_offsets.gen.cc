// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_share_group_offsets.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeShareGroupOffsetsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.groups.emplace_back();
    item2.group_id = in.string();
    std::optional<std::size_t> count4 = in.nullable_array(2);
    if (count4) {
      item2.topics.emplace();
      for (std::size_t i6 = 0; i6 < *count4 && in.ok(); ++i6) {
        auto& item5 = (*item2.topics).emplace_back();
        item5.name = in.string();
        std::size_t count7 = in.array(4);
        for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
          item5.partitions.push_back(in.i32());
        }
        in.skip_tags();
      }
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeShareGroupOffsetsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.groups.size());
  for (const auto& item10 : in.groups) {
    out.string(item10.group_id);
    out.array(item10.topics.size());
    for (const auto& item11 : item10.topics) {
      out.string(item11.name);
      out.uuid(item11.topic_id);
      out.array(item11.partitions.size());
      for (const auto& item12 : item11.partitions) {
        out.i32(item12.index);
        out.i64(item12.start_offset);
        out.i32(item12.leader_epoch);
        if (version >= 1) {
          out.i64(item12.lag);
        }
        out.i16(item12.error_code);
        out.nullable_string(item12.error_message);
        out.tag_count(0);
      }
      out.tag_count(0);
    }
    out.i16(item10.error_code);
    out.nullable_string(item10.error_message);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
