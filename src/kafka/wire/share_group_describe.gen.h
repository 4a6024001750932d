// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ShareGroupDescribeRequest {
  std::vector<ByteView> group_ids;
  bool include_authorized_operations = false;
};

struct ShareGroupDescribeResponse {
  struct Group {
    struct Member {
      struct Assignment {
        struct TopicPartitions {
          Uuid topic_id;
          std::string topic_name;
          std::vector<std::int32_t> partitions;
        };
        std::vector<TopicPartitions> topic_partitions;
      };
      std::string member_id;
      std::optional<std::string> rack_id;
      std::int32_t member_epoch = 0;
      std::string client_id;
      std::string client_host;
      std::vector<std::string> subscribed_topic_names;
      Assignment assignment;
    };
    std::int16_t error_code = 0;
    std::optional<std::string> error_message;
    std::string group_id;
    std::string group_state;
    std::int32_t group_epoch = 0;
    std::int32_t assignment_epoch = 0;
    std::string assignor_name;
    std::vector<Member> members;
    std::int32_t authorized_operations = INT32_MIN;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Group> groups;
};

struct ShareGroupDescribeApi {
  static constexpr std::int16_t key = 77;
  static constexpr std::int16_t version_min = 1;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ShareGroupDescribeRequest;
  using Response = ShareGroupDescribeResponse;
};

void decode(Decoder& in, ShareGroupDescribeRequest& out);
void encode(Encoder& out, const ShareGroupDescribeResponse& in);

}  // namespace trv::kafka::wire
