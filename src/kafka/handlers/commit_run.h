// Commits of offsets, plain or within a transaction: what OffsetCommit and TxnOffsetCommit share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/function.h"
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/service.h"
#include "model/transaction.h"

namespace trv::kafka {

struct CommitPartition {
  std::int32_t index = 0;
  std::int64_t offset = -1;
  std::int32_t leader_epoch = -1;
  std::string metadata;
  ErrorCode code = ErrorCode::none;  // the outcome
};

struct CommitTopic {
  std::string name;
  std::vector<CommitPartition> partitions;
};

struct CommitWork {
  std::string group;
  broker::Groups::Committer committer;
  std::optional<model::ProducerIdentity> producer;  // within its transaction
  // The second transaction protocol: the group joins this transaction by being committed to.
  std::optional<std::string> joins;
  bool knows_abortable = false;  // the error that ends a transaction and nothing more
  std::vector<CommitTopic> topics;
};

// Checks topics and metadata, commits the rest on the group's core, waits until it is durable, and
// gives the work back with its outcomes, on the home core.
void commit_offsets(Service& service, CommitWork work, UniqueFunction<void(CommitWork)> done);

}  // namespace trv::kafka
