// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/find_coordinator.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, FindCoordinatorRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version <= 3) {
    out.key = in.string();
  }
  if (version >= 1) {
    out.key_type = in.i8();
  }
  if (version >= 4) {
    std::size_t count1 = in.array(1);
    for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
      out.coordinator_keys.push_back(in.string());
    }
  }
  if (version >= 3) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const FindCoordinatorResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  if (version <= 3) {
    out.i16(in.error_code);
  }
  if (version >= 1 && version <= 3) {
    out.nullable_string(in.error_message);
  }
  if (version <= 3) {
    out.i32(in.node_id);
  }
  if (version <= 3) {
    out.string(in.host);
  }
  if (version <= 3) {
    out.i32(in.port);
  }
  if (version >= 4) {
    out.array(in.coordinators.size());
    for (const auto& item4 : in.coordinators) {
      out.string(item4.key);
      out.i32(item4.node_id);
      out.string(item4.host);
      out.i32(item4.port);
      out.i16(item4.error_code);
      out.nullable_string(item4.error_message);
      if (version >= 3) {
        out.tag_count(0);
      }
    }
  }
  if (version >= 3) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
