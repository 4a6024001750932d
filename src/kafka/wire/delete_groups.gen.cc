// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/delete_groups.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DeleteGroupsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    out.groups.push_back(in.string());
  }
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DeleteGroupsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item4 : in.results) {
    out.string(item4.group_id);
    out.i16(item4.error_code);
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
