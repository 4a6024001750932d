// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/offset_commit.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, OffsetCommitRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  out.group_id = in.string();
  out.generation_id = in.i32();
  out.member_id = in.string();
  if (version >= 7) {
    out.group_instance_id = in.nullable_string();
  }
  if (version <= 4) {
    out.retention_time_ms = in.i64();
  }
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    std::size_t count4 = in.array(13);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.partitions.emplace_back();
      item5.index = in.i32();
      item5.committed_offset = in.i64();
      if (version >= 6) {
        item5.committed_leader_epoch = in.i32();
      }
      item5.committed_metadata = in.nullable_string();
      if (version >= 8) {
        in.skip_tags();
      }
    }
    if (version >= 8) {
      in.skip_tags();
    }
  }
  if (version >= 8) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const OffsetCommitResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 3) {
    out.i32(in.throttle_time_ms);
  }
  out.array(in.topics.size());
  for (const auto& item7 : in.topics) {
    out.string(item7.name);
    out.array(item7.partitions.size());
    for (const auto& item8 : item7.partitions) {
      out.i32(item8.index);
      out.i16(item8.error_code);
      if (version >= 8) {
        out.tag_count(0);
      }
    }
    if (version >= 8) {
      out.tag_count(0);
    }
  }
  if (version >= 8) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
