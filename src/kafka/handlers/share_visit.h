// What one ShareFetch or ShareAcknowledge does in one topic, on the topic's core: acknowledgements,
// then what comes back of a member that goes, then giving out. Values only: it travels there, and
// its result back.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/share_cursors.h"
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/group_config.h"
#include "kafka/wire/share_fetch.gen.h"

namespace trv::kafka {

// What is said about one partition.
struct ShareAcks {
  std::int32_t partition = 0;
  ErrorCode wrong = ErrorCode::none;  // the request's: then nothing is done
  std::vector<model::ShareCursor::Ack> acks;
};

// Puts them in the order of their offsets. What is named twice is not held any more the second
// time.
void order_acks(ShareAcks& acks);

// Checks the batches of a request and puts them into neutral words. `may_renew`: the request says
// that it renews.
template <class Batches>
ShareAcks share_acks(std::int32_t partition, const Batches& batches, bool may_renew);

model::ShareCursor::Ack::As ack_of_type(std::int8_t type);

struct ShareTopic {
  std::optional<wire::Uuid> id;  // always there; see name_topics()
  std::string name;              // empty: of an id that no topic has
  std::vector<ShareAcks> acks;
  std::vector<std::int32_t> wanted;    // to be given out
  std::vector<std::int32_t> released;  // what the member has there comes back
};

struct ShareVisit {
  std::string group;
  std::string member;
  ShareTopic topic;
  ShareTerms terms{};
  std::size_t records_max = 0;
  bool exact = false;  // records_max
  std::size_t bytes_max = 0;
  std::size_t range_max = 1;
};

struct ShareVisitResult {
  using Partition = wire::ShareFetchResponse::Topic::Partition;
  // Those with something to tell: records, errors, outcomes of acknowledgements.
  std::map<std::int32_t, Partition> partitions;
  std::size_t record_count = 0;
  std::size_t size = 0;
  bool failed = false;  // nothing to wait for
  // To be waited for before anything is told, when something changed.
  bool changed = false;
  broker::Commit commit;
};

ShareVisitResult visit_shared(broker::Broker& owner, const ShareVisit& visit);

// The journal did not take what was done: nothing of it may be told.
void fail_visit(ShareVisitResult& result);

template <class Batches>
ShareAcks share_acks(std::int32_t partition, const Batches& batches, bool may_renew) {
  const std::int8_t type_max = may_renew ? 4 : 3;
  constexpr std::int64_t offset_max = std::numeric_limits<std::int64_t>::max() - 1;
  ShareAcks result;
  result.partition = partition;
  for (const auto& batch : batches) {
    const auto& types = batch.acknowledge_types;
    bool good = batch.first_offset >= 0 && batch.last_offset >= batch.first_offset &&
                batch.last_offset <= offset_max;
    const std::uint64_t count =
        good ? static_cast<std::uint64_t>(batch.last_offset - batch.first_offset) + 1 : 0;
    good = good && !types.empty() && (types.size() == 1 || types.size() == count);
    for (std::int8_t type : types) good = good && type >= 0 && type <= type_max;
    if (!good) {
      result.wrong = ErrorCode::invalid_request;
      return result;
    }
    const Offset first(batch.first_offset);
    if (types.size() == 1) {
      result.acks.push_back({first, Offset(batch.last_offset + 1), ack_of_type(types.front())});
      continue;
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      const Offset at = first + static_cast<std::int64_t>(i);
      result.acks.push_back({at, at + 1, ack_of_type(types[i])});
    }
  }
  order_acks(result);
  return result;
}

}  // namespace trv::kafka
