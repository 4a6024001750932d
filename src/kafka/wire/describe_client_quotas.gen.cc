// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_client_quotas.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeClientQuotasRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(3);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.components.emplace_back();
    item2.entity_type = in.string();
    item2.match_type = in.i8();
    item2.match = in.nullable_string();
    if (version >= 1) {
      in.skip_tags();
    }
  }
  out.strict = in.boolean();
  if (version >= 1) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DescribeClientQuotasResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  if (!in.entries) {
    out.null_array();
  } else {
    out.array((*in.entries).size());
    for (const auto& item4 : (*in.entries)) {
      out.array(item4.entity.size());
      for (const auto& item5 : item4.entity) {
        out.string(item5.type);
        out.nullable_string(item5.name);
        if (version >= 1) {
          out.tag_count(0);
        }
      }
      out.array(item4.values.size());
      for (const auto& item6 : item4.values) {
        out.string(item6.key);
        out.f64(item6.value);
        if (version >= 1) {
          out.tag_count(0);
        }
      }
      if (version >= 1) {
        out.tag_count(0);
      }
    }
  }
  if (version >= 1) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
