// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct ListTransactionsRequest {
  std::vector<ByteView> states_filter;
  std::vector<std::int64_t> producer_ids_filter;
  std::int64_t duration_filter_ms = -1;
};

struct ListTransactionsResponse {
  struct Transaction {
    std::string transactional_id;
    std::int64_t producer_id = 0;
    std::string state;
  };
  std::int32_t throttle_time_ms = 0;
  std::int16_t error_code = 0;
  std::vector<std::string> unknown_states;
  std::vector<Transaction> transactions;
};

struct ListTransactionsApi {
  static constexpr std::int16_t key = 66;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 1;
  static constexpr std::int16_t flexible_from = 0;
  using Request = ListTransactionsRequest;
  using Response = ListTransactionsResponse;
};

void decode(Decoder& in, ListTransactionsRequest& out);
void encode(Encoder& out, const ListTransactionsResponse& in);

}  // namespace trv::kafka::wire
