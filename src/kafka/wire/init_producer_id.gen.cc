// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/init_producer_id.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, InitProducerIdRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.transactional_id = in.nullable_string();
  out.transaction_timeout_ms = in.i32();
  if (version >= 3) {
    out.producer_id = in.i64();
  }
  if (version >= 3) {
    out.producer_epoch = in.i16();
  }
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const InitProducerIdResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.i64(in.producer_id);
  out.i16(in.producer_epoch);
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
