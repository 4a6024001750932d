// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_transactions.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeTransactionsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    out.transactional_ids.push_back(in.string());
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeTransactionsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.transactions.size());
  for (const auto& item4 : in.transactions) {
    out.i16(item4.error_code);
    out.string(item4.transactional_id);
    out.string(item4.state);
    out.i32(item4.timeout_ms);
    out.i64(item4.start_time_ms);
    out.i64(item4.producer_id);
    out.i16(item4.producer_epoch);
    out.array(item4.topics.size());
    for (const auto& item5 : item4.topics) {
      out.string(item5.name);
      out.array(item5.partitions.size());
      for (const auto& item6 : item5.partitions) {
        out.i32(item6);
      }
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
