// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/describe_user_scram_credentials.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, DescribeUserScramCredentialsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::optional<std::size_t> count1 = in.nullable_array(1);
  if (count1) {
    out.users.emplace();
    for (std::size_t i3 = 0; i3 < *count1 && in.ok(); ++i3) {
      auto& item2 = (*out.users).emplace_back();
      item2.name = in.string();
      in.skip_tags();
    }
  }
  in.skip_tags();
}

void encode(Encoder& out, const DescribeUserScramCredentialsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.i16(in.error_code);
  out.nullable_string(in.error_message);
  out.array(in.results.size());
  for (const auto& item4 : in.results) {
    out.string(item4.user);
    out.i16(item4.error_code);
    out.nullable_string(item4.error_message);
    out.array(item4.credentials.size());
    for (const auto& item5 : item4.credentials) {
      out.i8(item5.mechanism);
      out.i32(item5.iterations);
      out.tag_count(0);
    }
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
