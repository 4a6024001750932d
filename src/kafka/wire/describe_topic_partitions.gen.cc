// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_topic_partitions.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeTopicPartitionsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    in.skip_tags();
  }
  out.partition_limit = in.i32();
  if (in.i8() >= 0) {
    std::remove_reference_t<decltype(*out.cursor)> one4{};
    one4.topic_name = in.string();
    one4.partition_index = in.i32();
    in.skip_tags();
    out.cursor = one4;
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeTopicPartitionsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.topics.size());
  for (const auto& item5 : in.topics) {
    out.i16(item5.error_code);
    out.nullable_string(item5.name);
    out.uuid(item5.topic_id);
    out.boolean(item5.is_internal);
    out.array(item5.partitions.size());
    for (const auto& item6 : item5.partitions) {
      out.i16(item6.error_code);
      out.i32(item6.index);
      out.i32(item6.leader_id);
      out.i32(item6.leader_epoch);
      out.array(item6.replica_nodes.size());
      for (const auto& item7 : item6.replica_nodes) {
        out.i32(item7);
      }
      out.array(item6.isr_nodes.size());
      for (const auto& item8 : item6.isr_nodes) {
        out.i32(item8);
      }
      if (!item6.eligible_leader_replicas) {
        out.null_array();
      } else {
        out.array((*item6.eligible_leader_replicas).size());
        for (const auto& item9 : (*item6.eligible_leader_replicas)) {
          out.i32(item9);
        }
      }
      if (!item6.last_known_elr) {
        out.null_array();
      } else {
        out.array((*item6.last_known_elr).size());
        for (const auto& item10 : (*item6.last_known_elr)) {
          out.i32(item10);
        }
      }
      out.array(item6.offline_replicas.size());
      for (const auto& item11 : item6.offline_replicas) {
        out.i32(item11);
      }
      out.tag_count(0);
    }
    out.i32(item5.authorized_operations);
    out.tag_count(0);
  }
  out.i8(in.cursor ? 1 : -1);
  if (in.cursor) {
    out.string((*in.cursor).topic_name);
    out.i32((*in.cursor).partition_index);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
