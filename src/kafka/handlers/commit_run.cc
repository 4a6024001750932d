#include "kafka/handlers/commit_run.h"

#include <algorithm>

#include "base/mutant.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

ErrorCode refusal_code(const broker::Groups::Refused& refused) {
  if (refused.error != model::GroupError::none) return error_code(refused.error);
  if (!refused.failure) return ErrorCode::unknown_server_error;
  switch (refused.failure->code) {
    case Errc::fenced:
      return ErrorCode::invalid_producer_epoch;
    case Errc::invalid_state:
      return ErrorCode::invalid_txn_state;
    case Errc::overloaded:
      return ErrorCode::invalid_request;
    default:
      // The disk: the client looks for the coordinator and tries again.
      return ErrorCode::coordinator_not_available;
  }
}

// Sets the outcome of whatever was not refused before.
void settle(CommitWork& work, ErrorCode code) {
  for (CommitTopic& topic : work.topics) {
    for (CommitPartition& partition : topic.partitions) {
      if (partition.code == ErrorCode::none) partition.code = code;
    }
  }
}

std::vector<model::OffsetCommit> check(CommitWork& work, const TopicPlaces& places) {
  std::vector<model::OffsetCommit> commits;
  for (CommitTopic& topic : work.topics) {
    auto place = places.find(topic.name);
    for (CommitPartition& partition : topic.partitions) {
      if (place == places.end() || !place->second.has(partition.index)) {
        partition.code = ErrorCode::unknown_topic_or_partition;
      } else if (partition.metadata.size() > offset_metadata_size_max) {
        partition.code = ErrorCode::offset_metadata_too_large;
      } else {
        commits.push_back({{topic.name, PartitionIndex(partition.index)},
                           Offset(partition.offset),
                           partition.leader_epoch,
                           partition.metadata,
                           place->second.id});
      }
    }
  }
  return commits;
}

// On the group's owner.
void commit_there(broker::Broker& owner, CommitWork work, std::vector<model::OffsetCommit> commits,
                  CoreIndex home, UniqueFunction<void(CommitWork)> done) {
  broker::Groups& groups = owner.groups();
  broker::Groups::Committed committed =
      work.producer ? groups.commit_pending(work.group, work.committer, work.producer->id,
                                            work.producer->epoch, commits)
                    : groups.commit_offsets(work.group, work.committer, commits);
  auto finish = [&owner, home, work = std::move(work),
                 done = std::move(done)](ErrorCode code) mutable {
    settle(work, code);
    back_home(owner, home, [work = std::move(work), done = std::move(done)]() mutable {
      done(std::move(work));
    });
  };
  if (const auto* refused = std::get_if<broker::Groups::Refused>(&committed)) {
    return finish(refusal_code(*refused));
  }
  if (TRV_MUTANT(offset_commit_answered_early)) return finish(ErrorCode::none);
  owner.when_durable(std::get<broker::Commit>(committed),
                     [finish = std::move(finish)](Result<broker::Durable> result) mutable {
                       finish(result ? ErrorCode::none : ErrorCode::coordinator_not_available);
                     });
}

}  // namespace

void commit_offsets(Service& service, CommitWork work, UniqueFunction<void(CommitWork)> done) {
  std::vector<std::string> names;
  for (const CommitTopic& topic : work.topics) names.push_back(topic.name);
  find_topic_places(
      service, std::move(names),
      [&service, work = std::move(work),
       done = std::move(done)](const TopicPlaces& places) mutable {
        std::vector<model::OffsetCommit> commits = check(work, places);
        std::string group = work.group;
        // Also with nothing left to commit: the member is checked, and heard from, in any case.
        service.broker().at(
            group, [work = std::move(work), commits = std::move(commits), done = std::move(done),
                    home = service.home()](broker::Broker& owner) mutable {
              commit_there(owner, std::move(work), std::move(commits), home, std::move(done));
            });
      });
}

}  // namespace trv::kafka
