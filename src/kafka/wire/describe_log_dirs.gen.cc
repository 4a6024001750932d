// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_log_dirs.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeLogDirsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::optional<std::size_t> count1 = in.nullable_array(2);
  if (count1) {
    out.topics.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      auto& item2 = (*out.topics).emplace_back();
      item2.name = in.string();
      std::size_t count4 = in.array(4);
      for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
        item2.partitions.push_back(in.i32());
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

void encode(Encoder& out, const DescribeLogDirsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  if (version >= 3) {
    out.i16(in.error_code);
  }
  out.array(in.results.size());
  for (const auto& item7 : in.results) {
    out.i16(item7.error_code);
    out.string(item7.log_dir);
    out.array(item7.topics.size());
    for (const auto& item8 : item7.topics) {
      out.string(item8.name);
      out.array(item8.partitions.size());
      for (const auto& item9 : item8.partitions) {
        out.i32(item9.index);
        out.i64(item9.size);
        out.i64(item9.offset_lag);
        out.boolean(item9.is_future);
        if (version >= 2) {
          out.tag_count(0);
        }
      }
      if (version >= 2) {
        out.tag_count(0);
      }
    }
    if (version >= 4) {
      out.i64(item7.total_bytes);
    }
    if (version >= 4) {
      out.i64(item7.usable_bytes);
    }
    if (version >= 2) {
      out.tag_count(0);
    }
  }
  if (version >= 2) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
