// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/create_partitions.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, CreatePartitionsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(6);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    item2.count = in.i32();
    std::optional<std::size_t> count4 = in.nullable_array(1);
    if (count4) {
      item2.assignments.emplace();
      for (std::size_t i6 = 0; i6 < *count4 && in.ok(); ++i6) {
        auto& item5 = (*item2.assignments).emplace_back();
        std::size_t count7 = in.array(4);
        for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
          item5.broker_ids.push_back(in.i32());
        }
        if (version >= 2) {
          in.skip_tags();
        }
      }
    }
    if (version >= 2) {
      in.skip_tags();
    }
  }
  out.timeout_ms = in.i32();
  out.validate_only = in.boolean();
  if (version >= 2) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const CreatePartitionsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item10 : in.results) {
    out.string(item10.name);
    out.i16(item10.error_code);
    out.nullable_string(item10.error_message);
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
