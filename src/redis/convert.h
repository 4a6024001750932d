// What Redis entries are to the other protocols, and what their records are as Redis entries, by
// docs/view-contract.md.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "model/record.h"
#include "redis/wire/reply_writer.h"

namespace trv::redis {

// Reads records of origin `fields` in the neutral form.
class FieldsCodec final : public broker::OriginCodec {
 public:
  model::Message to_message(const model::StoredRecord& record) const override;
};

using FieldList = std::vector<std::pair<ByteView, ByteView>>;

// The neutral form as fields. Views point into the message, which keeps what had to be made.
FieldList fields_of(model::Message& message);

// Writes the record's fields as one flat array. Records of other origins show their value under
// `payload_field` too, unless that is empty or taken.
void write_fields(ReplyWriter& reply, const broker::Broker& broker,
                  const model::StoredRecord& record, std::string_view payload_field);

bool is_utf8(ByteView bytes);

}  // namespace trv::redis
