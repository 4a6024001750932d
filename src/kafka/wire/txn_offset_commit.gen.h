// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct TxnOffsetCommitRequest {
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
  ByteView transactional_id;
  ByteView group_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  std::int32_t generation_id = -1;
  ByteView member_id;
  std::optional<ByteView> group_instance_id;
  std::vector<Topic> topics;
};

struct TxnOffsetCommitResponse {
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

struct TxnOffsetCommitApi {
  static constexpr std::int16_t key = 28;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 5;
  static constexpr std::int16_t flexible_from = 3;
  using Request = TxnOffsetCommitRequest;
  using Response = TxnOffsetCommitResponse;
};

void decode(Decoder& in, TxnOffsetCommitRequest& out);
void encode(Encoder& out, const TxnOffsetCommitResponse& in);

}  // namespace trv::kafka::wire
