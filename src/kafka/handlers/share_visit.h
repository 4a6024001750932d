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

// Checks the batches of a request and puts them into neutral words.
template <class Batches>
ShareAcks share_acks(std::int32_t partition, const Batches& batches);

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
ShareAcks share_acks(std::int32_t partition, const Batches& batches) {
  // Gaps, accepted and rejected records are done with.
  constexpr std::int8_t type_release = 2;
  constexpr std::int8_t type_max = 3;
  ShareAcks result;
  result.partition = partition;
  std::int64_t last = -1;
  for (const auto& batch : batches) {
    const auto& types = batch.acknowledge_types;
    const bool in_order = batch.first_offset > last && batch.last_offset >= batch.first_offset &&
                          batch.last_offset < std::numeric_limits<std::int64_t>::max();
    const auto count = static_cast<std::uint64_t>(batch.last_offset - batch.first_offset) + 1;
    bool good = in_order && !types.empty() && (types.size() == 1 || types.size() == count);
    for (std::int8_t type : types) good = good && type >= 0 && type <= type_max;
    if (!good) {
      result.wrong = ErrorCode::invalid_request;
      return result;
    }
    last = batch.last_offset;
    if (types.size() == 1) {
      result.acks.push_back(
          {Offset(batch.first_offset), Offset(last + 1), types.front() != type_release});
      continue;
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      Offset at(batch.first_offset + static_cast<std::int64_t>(i));
      result.acks.push_back({at, at + 1, types[i] != type_release});
    }
  }
  return result;
}

}  // namespace trv::kafka
