// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/end_txn.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, EndTxnRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.transactional_id = in.string();
  out.producer_id = in.i64();
  out.producer_epoch = in.i16();
  out.committed = in.boolean();
  if (version >= 3) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const EndTxnResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  if (version >= 5) {
    out.i64(in.producer_id);
  }
  if (version >= 5) {
    out.i16(in.producer_epoch);
  }
  if (version >= 3) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
