// Commits of offsets, plain or within a transaction: what OffsetCommit and TxnOffsetCommit share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/function.h"
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/service.h"

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
  struct Producer {
    ProducerId id;
    std::int16_t epoch = -1;
  };
  std::string group;
  broker::Groups::Committer committer;
  std::optional<Producer> producer;  // within its transaction
  std::vector<CommitTopic> topics;
};

// Checks topics and metadata, commits the rest on the group's core, waits until it is durable, and
// gives the work back with its outcomes, on the home core.
void commit_offsets(Service& service, CommitWork work, UniqueFunction<void(CommitWork)> done);

}  // namespace trv::kafka
