// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_cluster.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeClusterRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.include_cluster_authorized_operations = in.boolean();
  if (version >= 1) {
    out.endpoint_type = in.i8();
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeClusterResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  if (version >= 1) {
    out.i8(in.endpoint_type);
  }
  out.string(in.cluster_id);
  out.i32(in.controller_id);
  out.array(in.brokers.size());
  for (const auto& item1 : in.brokers) {
    out.i32(item1.node_id);
    out.string(item1.host);
    out.i32(item1.port);
    out.nullable_string(item1.rack);
    out.tag_count(0);
  }
  out.i32(in.cluster_authorized_operations);
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
