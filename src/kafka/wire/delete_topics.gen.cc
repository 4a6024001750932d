// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/delete_topics.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DeleteTopicsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 6) {
    std::size_t count1 = in.array(17);
    for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
      auto& item2 = out.topics.emplace_back();
      item2.name = in.nullable_string();
      item2.topic_id = in.uuid();
      if (version >= 4) {
        in.skip_tags();
      }
    }
  }
  if (version <= 5) {
    std::size_t count4 = in.array(1);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      out.topic_names.push_back(in.string());
    }
  }
  out.timeout_ms = in.i32();
  if (version >= 4) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DeleteTopicsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    if (version >= 6) {
      out.nullable_string(item7.name);
    } else {
      out.string(item7.name ? ByteView(*item7.name) : ByteView());
    }
    if (version >= 6) {
      out.uuid(item7.topic_id);
    }
    out.i16(item7.error_code);
    if (version >= 5) {
      out.nullable_string(item7.error_message);
    }
    if (version >= 4) {
      out.tag_count(0);
    }
  }
  if (version >= 4) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
