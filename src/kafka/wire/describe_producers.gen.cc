// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_producers.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeProducersRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(4);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      item2.partitions.push_back(in.i32());
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeProducersResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      out.nullable_string(item8.error_message);
      out.array(item8.active_producers.size());
      for (const auto& item9 : item8.active_producers) {
        out.i64(item9.producer_id);
        out.i32(item9.producer_epoch);
        out.i32(item9.last_sequence);
        out.i64(item9.last_timestamp);
        out.i32(item9.coordinator_epoch);
        out.i64(item9.transaction_start);
        out.tag_count(0);
      }
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
