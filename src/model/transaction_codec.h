// How producers and timeouts lie in the commands and snapshots of transactions
// (docs/formats/transaction.md).
#pragma once

#include <limits>

#include "base/bytes.h"
#include "model/transaction.h"

namespace trv::model {

inline void write_producer(ByteWriter& out, ProducerIdentity producer) {
  out.varint_signed(producer.id.value);
  out.varint_signed(producer.epoch);
}

inline ProducerIdentity read_producer(ByteReader& in) {
  ProducerIdentity producer;
  producer.id = ProducerId{in.varint_signed()};
  producer.epoch = static_cast<std::int16_t>(in.varint_signed());
  return producer;
}

// Kafka's timeouts are 32-bit.
inline std::chrono::milliseconds read_timeout(ByteReader& in) {
  std::int64_t ms = in.varint_signed();
  if (ms < 0 || ms > std::numeric_limits<std::int32_t>::max()) in.fail();
  return std::chrono::milliseconds(ms);
}

}  // namespace trv::model
