// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/offset_delete.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, OffsetDeleteRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(4);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
    }
  }
}

void encode(Encoder& out, const OffsetDeleteResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.i32(in.throttle_time_ms);
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
    }
  }
}

}  // namespace trv::kafka::wire
