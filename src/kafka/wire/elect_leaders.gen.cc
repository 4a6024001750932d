// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/elect_leaders.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ElectLeadersRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 1) {
    out.election_type = in.i8();
  }
  std::optional<std::size_t> count1 = in.nullable_array(2);
  if (count1) {
    out.topics.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      auto& item2 = (*out.topics).emplace_back();
      item2.name = in.string();
      std::size_t count4 = in.array(4);
      for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
        item2.partitions.push_back(in.i32());
      }
      if (version >= 2) {
        in.skip_tags();
      }
    }
  }
  out.timeout_ms = in.i32();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const ElectLeadersResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  if (version >= 1) {
    out.i16(in.error_code);
  }
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      out.nullable_string(item8.error_message);
      if (version >= 2) {
        out.tag_count(0);
      }
    }
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
