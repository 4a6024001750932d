// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/list_offsets.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ListOffsetsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.replica_id = in.i32();
  if (version >= 2) {
    out.isolation_level = in.i8();
  }
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(12);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      if (version >= 4) {
        item5.current_leader_epoch = in.i32();
      }
      item5.timestamp = in.i64();
      if (version >= 6) {
        in.skip_tags();
      }
    }
    if (version >= 6) {
      in.skip_tags();
    }
  }
  if (version >= 6) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const ListOffsetsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 2) {
    out.i32(in.throttle_time_ms);
  }
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      out.i64(item8.timestamp);
      out.i64(item8.offset);
      if (version >= 4) {
        out.i32(item8.leader_epoch);
      }
      if (version >= 6) {
        out.tag_count(0);
      }
    }
    if (version >= 6) {
      out.tag_count(0);
    }
  }
  if (version >= 6) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
