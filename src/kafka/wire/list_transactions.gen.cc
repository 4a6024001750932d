// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/list_transactions.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ListTransactionsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    out.states_filter.push_back(in.string());
  }
  std::size_t count4 = in.array(8);
  for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
    out.producer_ids_filter.push_back(in.i64());
  }
  if (version >= 1) {
    out.duration_filter_ms = in.i64();
  }
  in.skip_tags();
}

void encode(Encoder& out, const ListTransactionsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.array(in.unknown_states.size());
  for (const auto& item7 : in.unknown_states) {
    out.string(item7);
  }
  out.array(in.transactions.size());
  for (const auto& item8 : in.transactions) {
    out.string(item8.transactional_id);
    out.i64(item8.producer_id);
    out.string(item8.state);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
