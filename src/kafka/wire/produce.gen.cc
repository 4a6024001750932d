// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/produce.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ProduceRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.transactional_id = in.nullable_string();
  out.acks = in.i16();
  out.timeout_ms = in.i32();
  std::size_t count1 = in.array(1);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    if (version <= 12) {
      item2.name = in.string();
    }
    if (version >= 13) {
      item2.topic_id = in.uuid();
    }
    std::size_t count4 = in.array(5);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      item5.records = in.nullable_bytes();
      if (version >= 9) {
        in.skip_tags();
      }
    }
    if (version >= 9) {
      in.skip_tags();
    }
  }
  if (version >= 9) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const ProduceResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    if (version <= 12) {
      out.string(item7.name);
    }
    if (version >= 13) {
      out.uuid(item7.topic_id);
    }
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      out.i64(item8.base_offset);
      out.i64(item8.log_append_time_ms);
      if (version >= 5) {
        out.i64(item8.log_start_offset);
      }
      if (version >= 8) {
        out.array(item8.record_errors.size());
        for (const auto& item9 : item8.record_errors) {
          out.i32(item9.batch_index);
          out.nullable_string(item9.message);
          if (version >= 9) {
            out.tag_count(0);
          }
        }
      }
      if (version >= 8) {
        out.nullable_string(item8.error_message);
      }
      if (version >= 9) {
        out.tag_count(0);
      }
    }
    if (version >= 9) {
      out.tag_count(0);
    }
  }
  out.i32(in.throttle_time_ms);
  if (version >= 9) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
