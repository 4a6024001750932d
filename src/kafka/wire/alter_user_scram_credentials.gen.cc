// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#include "kafka/wire/alter_user_scram_credentials.gen.h"

namespace trv::kafka::wire {

void decode(Decoder& in, AlterUserScramCredentialsRequest& out) {
  [[maybe_unused]] const std::int16_t version = in.version();
  std::size_t count1 = in.array(2);
  for (std::size_t i3 = 0; i3 < count1 && in.ok(); ++i3) {
    auto& item2 = out.deletions.emplace_back();
    item2.name = in.string();
    item2.mechanism = in.i8();
    in.skip_tags();
  }
  std::size_t count4 = in.array(8);
  for (std::size_t i6 = 0; i6 < count4 && in.ok(); ++i6) {
    auto& item5 = out.upsertions.emplace_back();
    item5.name = in.string();
    item5.mechanism = in.i8();
    item5.iterations = in.i32();
    item5.salt = in.bytes();
    item5.salted_password = in.bytes();
    in.skip_tags();
  }
  in.skip_tags();
}

void encode(Encoder& out, const AlterUserScramCredentialsResponse& in) {
  [[maybe_unused]] const std::int16_t version = out.version();
  out.i32(in.throttle_time_ms);
  out.array(in.results.size());
  for (const auto& item7 : in.results) {
    out.string(item7.user);
    out.i16(item7.error_code);
    out.nullable_string(item7.error_message);
    out.tag_count(0);
  }
  out.tag_count(0);
}

}  // namespace trv::kafka::wire
