// The appending half of Produce: batches of one topic, on the core of its owner.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "kafka/errors.h"
#include "kafka/wire/produce.gen.h"
#include "model/transaction.h"

namespace trv::kafka {

using ProduceAnswer = wire::ProduceResponse::Topic::Partition;

struct ProducePart {
  std::int32_t index = 0;
  std::optional<ByteView> records;
};

struct ProduceTopic {
  std::string name;
  std::optional<wire::Uuid> id;  // when it was asked for by its id
  std::vector<ProducePart> parts;
  Slice bytes;  // what the parts look at, once they are owned

  // Copies the batches, which lie in the frame until then.
  void own();
};

struct ProduceTerms {
  std::int16_t version = 0;
  std::optional<std::string> transactional_id;
};

struct ProduceOutcome {
  std::vector<ProduceAnswer> partitions;
  std::optional<broker::Commit> commit;  // of what was appended, duplicates included
  // Places of batches that were not appended since their partitions have not joined the
  // transaction of their producer; the second transaction protocol has the broker see to that.
  std::vector<std::size_t> unjoined;
  model::ProducerIdentity producer;  // of those

  bool failed() const;
};

// All on the owner's core.
ProduceOutcome append_parts(broker::Broker& owner, const ProduceTopic& topic,
                            const ProduceTerms& terms);
// Once more for what had not joined, and now has.
void append_joined(broker::Broker& owner, const ProduceTopic& topic, const ProduceTerms& terms,
                   ProduceOutcome& outcome);

void refuse(ProduceAnswer& partition, ErrorCode code, std::string message);
// Whether it belongs to a transaction, as far as its head tells.
bool is_transactional(ByteView batch);

}  // namespace trv::kafka
