// Conversion between stored records and Kafka's record batches (docs/view-contract.md).
#pragma once

#include "broker/broker.h"
#include "broker/topics.h"
#include "kafka/wire/codec.h"

namespace trv::kafka {

// Reads records that came in Kafka batches as neutral messages.
class BatchCodec final : public broker::OriginCodec {
 public:
  model::Message to_message(const model::StoredRecord& record) const override;
};

// Puts a fetched batch into an answer: as it is stored when it came over Kafka, else as batches
// without compression. Erased records leave gaps in the offsets, and a batch of its own begins
// after each. On the topic's owner. Errors: as Topics::read().
Status add_fetched(broker::Broker& owner, broker::Topic& topic, const broker::FetchedBatch& batch,
                   wire::Records& records);

}  // namespace trv::kafka
