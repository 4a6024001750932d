#include "kafka/convert.h"

#include "model/batch.h"
#include "model/cleaning.h"

namespace trv::kafka {

model::Message BatchCodec::to_message(const model::StoredRecord& record) const {
  model::Message message;
  message.key = record.key;
  message.value = record.value;
  message.headers = model::read_headers(record);
  message.timestamp_ms = record.timestamp_ms;
  message.owners.push_back(record.owner);
  return message;
}

Status add_fetched(broker::Broker& owner, broker::Topic& topic, const broker::FetchedBatch& batch,
                   wire::Records& records) {
  if (batch.header.origin() == model::Origin::batch) {
    records.add(batch.bytes);
    return {};
  }
  // The records of one stored batch are neighbours in the topic's sequence, too.
  Sequence end = batch.first_sequence + batch.header.offset_count();
  model::BatchBuilder builder;
  Offset base;
  Offset next = batch.header.base_offset;
  auto flush = [&] {
    if (!builder.empty()) records.add(Slice::own(builder.take(base, 0)));
  };
  Result<Sequence> read =
      owner.topics().read(topic, batch.first_sequence, [&](const model::StoredRecord& record) {
        if (record.sequence >= end) return false;
        if (!builder.empty() && record.offset != base + builder.record_count()) flush();
        if (builder.empty()) base = record.offset;
        next = record.offset + 1;
        model::Message message = owner.message_of(record);
        builder.add(message.timestamp_ms, message.key, message.value, message.headers);
        return record.sequence + 1 < end;
      });
  if (!read) return read.error();
  flush();
  // What was deleted at its end must be passed over, too.
  const Offset batch_end = batch.header.base_offset + batch.header.offset_count();
  if (next < batch_end) records.add(Slice::own(model::empty_batch(next, batch_end)));
  return {};
}

}  // namespace trv::kafka
