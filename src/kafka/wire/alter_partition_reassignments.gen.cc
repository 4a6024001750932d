// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/alter_partition_reassignments.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, AlterPartitionReassignmentsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.timeout_ms = in.i32();
  if (version >= 1) {
    out.allow_replication_factor_change = in.boolean();
  }
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(5);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      std::optional<std::size_t> count7 = in.nullable_array(4);
      if (count7) {
        item5.replicas.emplace();
        for (std::size_t i9 = 0; i9 < *count7 && in.ok(); ++i9) {
          (*item5.replicas).push_back(in.i32());
        }
      }
      in.skip_tags();
    }
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const AlterPartitionReassignmentsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  if (version >= 1) {
    out.boolean(in.allow_replication_factor_change);
  }
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.array(in.topics.size());
  for (const auto& item10 : in.topics) {
    out.string(item10.name);
    out.array(item10.partitions.size());
    for (const auto& item11 : item10.partitions) {
      out.i32(item11.index);
      out.i16(item11.error_code);
      out.nullable_string(item11.error_message);
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
