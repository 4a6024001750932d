// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/incremental_alter_configs.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, IncrementalAlterConfigsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(3);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.resources.emplace_back();
    item2.type = in.i8();
    item2.name = in.string();
    std::size_t count4 = in.array(3);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.configs.emplace_back();
      item5.name = in.string();
      item5.operation = in.i8();
      item5.value = in.nullable_string();
      if (version >= 1) {
        in.skip_tags();
      }
    }
    if (version >= 1) {
      in.skip_tags();
    }
  }
  out.validate_only = in.boolean();
  if (version >= 1) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const IncrementalAlterConfigsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item7 : in.results) {
    out.i16(item7.error_code);
    out.nullable_string(item7.error_message);
    out.i8(item7.type);
    out.string(item7.name);
    if (version >= 1) {
      out.tag_count(0);
    }
  }
  if (version >= 1) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
