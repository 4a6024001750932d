// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/create_topics.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, CreateTopicsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(9);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.topics.emplace_back();
    item2.name = in.string();
    item2.num_partitions = in.i32();
    item2.replication_factor = in.i16();
    std::size_t count4 = in.array(5);
    for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
      auto& item5 = item2.assignments.emplace_back();
      item5.partition_index = in.i32();
      std::size_t count7 = in.array(4);
      for (std::size_t i9 = 0; i9 < count7 && in.ok(); ++i9) {
        item5.broker_ids.push_back(in.i32());
      }
      if (version >= 5) {
        in.skip_tags();
      }
    }
    std::size_t count10 = in.array(2);
    for (std::size_t i12 = 0; i12 < count10 && in.ok(); ++i12) {
      auto& item11 = item2.configs.emplace_back();
      item11.name = in.string();
      item11.value = in.nullable_string();
      if (version >= 5) {
        in.skip_tags();
      }
    }
    if (version >= 5) {
      in.skip_tags();
    }
  }
  out.timeout_ms = in.i32();
  out.validate_only = in.boolean();
  if (version >= 5) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const CreateTopicsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.topics.size());
  for (const auto& item13 : in.topics) {
    out.string(item13.name);
    if (version >= 7) {
      out.uuid(item13.topic_id);
    }
    out.i16(item13.error_code);
    out.nullable_string(item13.error_message);
    if (version >= 5) {
      out.i32(item13.num_partitions);
    }
    if (version >= 5) {
      out.i16(item13.replication_factor);
    }
    if (version >= 5) {
      if (!item13.configs) {
        out.null_array();
      } else {
        out.array((*item13.configs).size());
        for (const auto& item14 : (*item13.configs)) {
          out.string(item14.name);
          out.nullable_string(item14.value);
          out.boolean(item14.read_only);
          out.i8(item14.config_source);
          out.boolean(item14.is_sensitive);
          if (version >= 5) {
            out.tag_count(0);
          }
        }
      }
    }
    if (version >= 5) {
      const bool has15 = item13.topic_config_error_code != 0;
      out.tag_count((has15 ? 1u : 0u));
      if (has15) {
        out.tag(0, [&](Encoder& part) {
          part.i16(item13.topic_config_error_code);
        });
      }
    }
  }
  if (version >= 5) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
