// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/api_versions.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, ApiVersionsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  if (version >= 3) {
    out.client_software_name = in.string();
  }
  if (version >= 3) {
    out.client_software_version = in.string();
  }
  if (version >= 3) {
    in.skip_tags();
  }
}

void encode(Encoder& out, const ApiVersionsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i16(in.error_code);
  out.array(in.api_keys.size());
  for (const auto& item1 : in.api_keys) {
    out.i16(item1.api_key);
    out.i16(item1.min_version);
    out.i16(item1.max_version);
    if (version >= 3) {
      out.tag_count(0);
    }
  }
  if (version >= 1) {
    out.i32(in.throttle_time_ms);
  }
  if (version >= 3) {
    const bool has2 = !in.supported_features.empty();
    const bool has3 = in.finalized_features_epoch != -1;
    const bool has4 = !in.finalized_features.empty();
    out.tag_count((has2 ? 1u : 0u) + (has3 ? 1u : 0u) + (has4 ? 1u : 0u));
    if (has2) {
      out.tag(0, [&](Encoder& part) {
        part.array(in.supported_features.size());
        for (const auto& item5 : in.supported_features) {
          part.string(item5.name);
          part.i16(item5.min_version);
          part.i16(item5.max_version);
          if (version >= 3) {
            part.tag_count(0);
          }
        }
      });
    }
    if (has3) {
      out.tag(1, [&](Encoder& part) {
        part.i64(in.finalized_features_epoch);
      });
    }
    if (has4) {
      out.tag(2, [&](Encoder& part) {
        part.array(in.finalized_features.size());
        for (const auto& item6 : in.finalized_features) {
          part.string(item6.name);
          part.i16(item6.max_version_level);
          part.i16(item6.min_version_level);
          if (version >= 3) {
            part.tag_count(0);
          }
        }
      });
    }
  }
}

}  // namespace trv::kafka::wire
