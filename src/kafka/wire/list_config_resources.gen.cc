// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/list_config_resources.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ListConfigResourcesRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 1) {
    std::size_t count1 = in.array(1);
    for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
      out.resource_types.push_back(in.i8());
    }
  }
  in.skip_tags();
}

void encode(Encoder& out, const ListConfigResourcesResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.array(in.config_resources.size());
  for (const auto& item4 : in.config_resources) {
    out.string(item4.name);
    if (version >= 1) {
      out.i8(item4.type);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
