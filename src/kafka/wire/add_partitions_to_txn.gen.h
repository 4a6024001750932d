// Generated from schema/kafka by tools/gen/kafka_gen.py. Do not edit.
#pragma once

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

struct AddPartitionsToTxnRequest {
  struct Topic {
    ByteView name;
    std::vector<std::int32_t> partitions;
  };
  ByteView transactional_id;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  std::vector<Topic> topics;
};

struct AddPartitionsToTxnResponse {
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

struct AddPartitionsToTxnApi {
  static constexpr std::int16_t key = 24;
  static constexpr std::int16_t version_min = 0;
  static constexpr std::int16_t version_max = 3;
  static constexpr std::int16_t flexible_from = 3;
  using Request = AddPartitionsToTxnRequest;
  using Response = AddPartitionsToTxnResponse;
};

void decode(Decoder& in, AddPartitionsToTxnRequest& out);
void encode(Encoder& out, const AddPartitionsToTxnResponse& in);

}  // namespace trv::kafka::wire
