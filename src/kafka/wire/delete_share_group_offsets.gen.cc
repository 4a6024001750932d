// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/delete_share_group_offsets.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DeleteShareGroupOffsetsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const DeleteShareGroupOffsetsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.array(in.topics.size());
  for (const auto& item4 : in.topics) {
    out.string(item4.name);
    out.uuid(item4.topic_id);
    out.i16(item4.error_code);
    out.nullable_string(item4.error_message);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
