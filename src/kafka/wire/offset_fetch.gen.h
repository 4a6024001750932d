// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct OffsetFetchRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  struct Group {
    struct GroupTopic {
      ByteView name;
      std::vector<std::int32_t> partitions;
    };
    ByteView group_id;
    std::optional<ByteView> member_id;
    std::int32_t member_epoch = -1;
    std::optional<std::vector<GroupTopic>> topics;
  };
  ByteView group_id;
  std::optional<std::vector<Topic>> topics;
  std::vector<Group> groups;
  bool require_stable = false;
};

struct OffsetFetchResponse {
  struct Topic {
    struct Partition {
      std::int32_t index = 0;
      std::int64_t committed_offset = -1;
      std::int32_t committed_leader_epoch = -1;
      std::optional<std::string> metadata;
      std::int16_t error_code = 0;
    };
    std::string name;
    std::vector<Partition> partitions;
  };
  struct Group {
    struct GroupTopic {
      struct GroupPartition {
        std::int32_t index = 0;
        std::int64_t committed_offset = -1;
        std::int32_t committed_leader_epoch = -1;
        std::optional<std::string> metadata;
        std::int16_t error_code = 0;
      };
      std::string name;
      std::vector<GroupPartition> partitions;
    };
    std::string group_id;
    std::vector<GroupTopic> topics;
    std::int16_t error_code = 0;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;
  std::int16_t error_code = 0;
  std::vector<Group> groups;
};

struct OffsetFetchApi {
  static constexpr std::int16_t key = 9;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 9;
  static constexpr std::int16_t flexible_from = 6;
  using Request = OffsetFetchRequest;
  using Response = OffsetFetchResponse;
};

void decode(Decoder& in, OffsetFetchRequest& out);
void encode(Encoder& out, const OffsetFetchResponse& in);

}  // namespace trv::kafka::wire
