// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_configs.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeConfigsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(3);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.resources.emplace_back();
    item2.type = in.i8();
    item2.name = in.string();
    std::optional<std::size_t> count4 = in.nullable_array(1);
    if (count4) {
      item2.keys.emplace();
      for (std::size_t i6 = 0; i6 < *count4 && in.ok(); ++i6) {
        (*item2.keys).push_back(in.string());
      }
    }
    if (version >= 4) {
      in.skip_tags();
    }
  }
  out.include_synonyms = in.boolean();
  if (version >= 3) {
    out.include_documentation = in.boolean();
  }
  if (version >= 4) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const DescribeConfigsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item7 : in.results) {
    out.i16(item7.error_code);
    out.nullable_string(item7.error_message);
    out.i8(item7.type);
    out.string(item7.name);
    out.array(item7.configs.size());
    for (const auto& item8 : item7.configs) {
      out.string(item8.name);
      out.nullable_string(item8.value);
      out.boolean(item8.read_only);
      out.i8(item8.config_source);
      out.boolean(item8.is_sensitive);
      out.array(item8.synonyms.size());
      for (const auto& item9 : item8.synonyms) {
        out.string(item9.name);
        out.nullable_string(item9.value);
        out.i8(item9.source);
        if (version >= 4) {
          out.tag_count(0);
        }
      }
      if (version >= 3) {
        out.i8(item8.config_type);
      }
      if (version >= 3) {
        out.nullable_string(item8.documentation);
      }
      if (version >= 4) {
        out.tag_count(0);
      }
    }
    if (version >= 4) {
      out.tag_count(0);
    }
  }
  if (version >= 4) {
    out.tag_count(0);
  }
}

}  // namespace trv::kafka::wire
