// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/add_offsets_to_txn.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, AddOffsetsToTxnRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.transactional_id = in.string();
  out.producer_id = in.i64();
  out.producer_epoch = in.i16();
  out.group_id = in.string();
  if (version >= 3) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const AddOffsetsToTxnResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  if (version >= 3) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
