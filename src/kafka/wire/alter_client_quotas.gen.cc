// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/alter_client_quotas.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, AlterClientQuotasRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.entries.emplace_back();
    std::size_t count4 = in.array(2);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.entity.emplace_back();
      item5.type = in.string();
      item5.name = in.nullable_string();
      if (version >= 1) {
        in.skip_tags();
      }
    }
    std::size_t count7 = in.array(10);
    for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
      auto& item8 = item2.ops.emplace_back();
      item8.key = in.string();
      item8.value = in.f64();
      item8.remove = in.boolean();
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

void encode(Encoder& out, const AlterClientQuotasResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.entries.size());
  for (const auto& item10 : in.entries) {
    out.i16(item10.error_code);
    out.nullable_string(item10.error_message);
    out.array(item10.entity.size());
    for (const auto& item11 : item10.entity) {
      out.string(item11.type);
      out.nullable_string(item11.name);
      if (version >= 1) {
        out.tag_count(0);
      }
    }
    if (version >= 1) {
      out.tag_count(0);
    }
  }
  if (version >= 1) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
