// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/list_groups.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ListGroupsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 4) {
    std::size_t count1 = in.array(1);
    for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
      out.states_filter.push_back(in.string());
    }
  }
  if (version >= 5) {
    std::size_t count4 = in.array(1);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      out.types_filter.push_back(in.string());
    }
  }
  if (version >= 3) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const ListGroupsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  out.i16(in.error_code);
  out.array(in.groups.size());
  for (const auto& item7 : in.groups) {
    out.string(item7.group_id);
    out.string(item7.protocol_type);
    if (version >= 4) {
      out.string(item7.state);
    }
    if (version >= 5) {
      out.string(item7.type);
    }
    if (version >= 3) {
      out.tag_count(0);
    }
  }
  if (version >= 3) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
