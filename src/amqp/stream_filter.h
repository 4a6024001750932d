// StreamFilter: which records of a stream a consumer asks for, by what their publishers said in the
// header x-stream-filter-value.
//
// It is exact, record by record: a consumer is sent nothing else. (RabbitMQ leaves out whole chunks
// and expects its clients to look again.)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"

namespace trv::amqp {

struct StreamFilter {
  std::vector<std::string> values;  // sorted
  bool unfiltered_too = false;      // also records without a value

  // Which arguments of basic.consume mean. Nothing: every record. A filter that is neither text nor
  // a list counts as none, and what is no text in a list is passed over, as in RabbitMQ.
  static std::optional<StreamFilter> parse(ByteView arguments);
  bool matches(const broker::Broker& broker, const model::StoredRecord& record) const;
};

}  // namespace trv::amqp
