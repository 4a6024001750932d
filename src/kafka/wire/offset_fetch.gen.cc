// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/offset_fetch.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, OffsetFetchRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version <= 7) {
    out.group_id = in.string();
  }
  if (version <= 7) {
    std::optional<std::size_t> count1 = version >= 2
        ? in.nullable_array(2)
        : std::optional<std::size_t>(in.array(2));
    if (count1) {
      out.topics.emplace();
      for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
        auto& item2 = (*out.topics).emplace_back();
        item2.name = in.string();
        std::size_t count4 = in.array(4);
        for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
          item2.partitions.push_back(in.i32());
        }
        if (version >= 6) {
          in.skip_tags();
        }
      }
    }
  }
  if (version >= 8) {
    std::size_t count7 = in.array(2);
    for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
      auto& item8 = out.groups.emplace_back();
      item8.group_id = in.string();
      if (version >= 9) {
        item8.member_id = in.nullable_string();
      }
      if (version >= 9) {
        item8.member_epoch = in.i32();
      }
      std::optional<std::size_t> count10 = in.nullable_array(2);
      if (count10) {
        item8.topics.emplace();
        for (std::size_t i12 = 0; i12 < *count10 && in.ok(); ++i12) {
          auto& item11 = (*item8.topics).emplace_back();
          item11.name = in.string();
          std::size_t count13 = in.array(4);
          for (std::size_t i15 = 0; i15 < count13 && in.ok(); ++i15) {
            item11.partitions.push_back(in.i32());
          }
          if (version >= 6) {
            in.skip_tags();
          }
        }
      }
      if (version >= 6) {
        in.skip_tags();
      }
    }
  }
  if (version >= 7) {
    out.require_stable = in.boolean();
  }
  if (version >= 6) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const OffsetFetchResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  if (version >= 3) {
    out.i32(in.throttle_time_ms);
  }
  if (version <= 7) {
    out.array(in.topics.size());
    for (const auto& item16 : in.topics) {
      out.string(item16.name);
      out.array(item16.partitions.size());
      for (const auto& item17 : item16.partitions) {
        out.i32(item17.index);
        out.i64(item17.committed_offset);
        if (version >= 5) {
          out.i32(item17.committed_leader_epoch);
        }
        out.nullable_string(item17.metadata);
        out.i16(item17.error_code);
        if (version >= 6) {
          out.tag_count(0);
        }
      }
      if (version >= 6) {
        out.tag_count(0);
      }
    }
  }
  if (version >= 2 && version <= 7) {
    out.i16(in.error_code);
  }
  if (version >= 8) {
    out.array(in.groups.size());
    for (const auto& item18 : in.groups) {
      out.string(item18.group_id);
      out.array(item18.topics.size());
      for (const auto& item19 : item18.topics) {
        out.string(item19.name);
        out.array(item19.partitions.size());
        for (const auto& item20 : item19.partitions) {
          out.i32(item20.index);
          out.i64(item20.committed_offset);
          out.i32(item20.committed_leader_epoch);
          out.nullable_string(item20.metadata);
          out.i16(item20.error_code);
          if (version >= 6) {
            out.tag_count(0);
          }
        }
        if (version >= 6) {
          out.tag_count(0);
        }
      }
      out.i16(item18.error_code);
      if (version >= 6) {
        out.tag_count(0);
      }
    }
  }
  if (version >= 6) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
