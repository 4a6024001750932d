// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/heartbeat.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, HeartbeatRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.generation_id = in.i32();
  out.member_id = in.string();
  if (version >= 3) {
    out.group_instance_id = in.nullable_string();
  }
  if (version >= 4) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const HeartbeatResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  out.i16(in.error_code);
  if (version >= 4) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
