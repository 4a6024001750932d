// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct OffsetCommitRequest {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int64_t committed_offset = 0;
      std::int32_t committed_leader_epoch = -1;
      std::optional<ByteView> committed_metadata;
    };
    ByteView name;
    std::vector<Partition> partitions;
  };
  ByteView group_id;
  std::int32_t generation_id = -1;
  ByteView member_id;
  std::optional<ByteView> group_instance_id;
  std::int64_t retention_time_ms = -1;
  std::vector<Topic> topics;
};

struct OffsetCommitResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int16_t error_code = 0;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
};

struct OffsetCommitApi {
  static constexpr std::int16_t key = 8;
  static constexpr std::int16_t version_min = 2;
  static constexpr std::int16_t version_max = 9;
  static constexpr std::int16_t flexible_from = 8;
  using Request = OffsetCommitRequest;
  using Response = OffsetCommitResponse;
};

void decode(Decoder& in, OffsetCommitRequest& out);
void encode(Encoder& out, const OffsetCommitResponse& in);

}  // namespace trv::kafka::wire
