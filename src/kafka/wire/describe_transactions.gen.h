// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct DescribeTransactionsRequest {
  std::vector<ByteView> transactional_ids;
};

struct DescribeTransactionsResponse {
  struct Transaction {
    struct Topic {
      std::string name;
      std::vector<std::int32_t> partitions;
    };
    std::int16_t error_code = 0;
    std::string transactional_id;
    std::string state;
    std::int32_t timeout_ms = 0;
    std::int64_t start_time_ms = 0;
    std::int64_t producer_id = 0;
    std::int16_t producer_epoch = 0;
    std::vector<Topic> topics;
  };
  std::int32_t throttle_time_ms = 0;
  std::vector<Transaction> transactions;
};

struct DescribeTransactionsApi {
  static constexpr std::int16_t key = 65;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 0;
  static constexpr std::int16_t flexible_from = 0;
  using Request = DescribeTransactionsRequest;
  using Response = DescribeTransactionsResponse;
};

void decode(Decoder& in, DescribeTransactionsRequest& out);
void encode(Encoder& out, const DescribeTransactionsResponse& in);

}  // namespace trv::kafka::wire
