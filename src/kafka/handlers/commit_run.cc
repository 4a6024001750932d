#include "kafka/handlers/commit_run.h"

#include <algorithm>

#include "base/mutant.h"
#include "kafka/handlers/coordinate.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

ErrorCode refusal_code(const broker::Groups::Refused& refused, bool knows_abortable) {
  if (refused.error != model::GroupError::none) return error_code(refused.error);
  if (!refused.failure) return ErrorCode::unknown_server_error;
  switch (refused.failure->code) {
    case Errc::fenced:
      return ErrorCode::invalid_producer_epoch;
    case Errc::invalid_state:
      return knows_abortable ? ErrorCode::transaction_abortable : ErrorCode::invalid_txn_state;
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

using Done = UniqueFunction<void(CommitWork)>;

// On the group's owner, from which everything comes back to the home core.
class Commit {
 public:
  Commit(Service& service, CommitWork work, std::vector<model::OffsetCommit> commits, Done done)
      : service_(&service),
        home_(service.home()),
        work_(std::move(work)),
        commits_(std::move(commits)),
        done_(std::move(done)) {}

  const std::string& group() const { return work_.group; }
  void run(broker::Broker& owner) &&;

 private:
  // On the home core: first the group, then once more the offsets.
  void join() &&;
  void finish(broker::Broker& owner, ErrorCode code) &&;

  Service* service_;
  CoreIndex home_;
  CommitWork work_;
  std::vector<model::OffsetCommit> commits_;
  Done done_;
};

void Commit::run(broker::Broker& owner) && {
  broker::Groups& groups = owner.groups();
  broker::Groups::Committed committed =
      work_.producer ? groups.commit_pending(work_.group, work_.committer, work_.producer->id,
                                             work_.producer->epoch, commits_)
                     : groups.commit_offsets(work_.group, work_.committer, commits_);
  if (const auto* refused = std::get_if<broker::Groups::Refused>(&committed)) {
    bool absent = refused->error == model::GroupError::none && refused->failure &&
                  refused->failure->code == Errc::invalid_state;
    if (absent && work_.joins) {
      back_home(owner, home_, [commit = std::move(*this)]() mutable { std::move(commit).join(); });
      return;
    }
    ErrorCode code = refusal_code(*refused, work_.knows_abortable);
    return std::move(*this).finish(owner, code);
  }
  if (TRV_MUTANT(offset_commit_answered_early)) {
    return std::move(*this).finish(owner, ErrorCode::none);
  }
  owner.when_durable(std::get<broker::Commit>(committed),
                     [&owner, commit = std::move(*this)](Result<broker::Durable> result) mutable {
                       std::move(commit).finish(
                           owner, result ? ErrorCode::none : ErrorCode::coordinator_not_available);
                     });
}

void Commit::join() && {
  std::string id = *std::exchange(work_.joins, std::nullopt);
  Service& service = *service_;
  auto add = [id, producer = *work_.producer, group = work_.group](
                 broker::Transactions& transactions, broker::Transactions::Done done) {
    transactions.add_group(id, producer, group, std::move(done));
  };
  coordinate(service, id, std::move(add),
             [commit = std::move(*this)](const broker::Transactions::Outcome& joined) mutable {
               // Groups call a fenced producer one with an old epoch, in all versions.
               ErrorCode code = outcome_code(joined, false);
               broker::Broker& here = commit.service_->broker();
               if (code != ErrorCode::none) return std::move(commit).finish(here, code);
               std::string group = commit.group();
               here.at(group, [commit = std::move(commit)](broker::Broker& owner) mutable {
                 std::move(commit).run(owner);
               });
             });
}

void Commit::finish(broker::Broker& owner, ErrorCode code) && {
  settle(work_, code);
  back_home(owner, home_, [work = std::move(work_), done = std::move(done_)]() mutable {
    done(std::move(work));
  });
}

}  // namespace

void commit_offsets(Service& service, CommitWork work, UniqueFunction<void(CommitWork)> done) {
  std::vector<std::string> names;
  for (const CommitTopic& topic : work.topics) names.push_back(topic.name);
  find_topic_places(service, std::move(names),
                    [&service, work = std::move(work),
                     done = std::move(done)](const TopicPlaces& places) mutable {
                      std::vector<model::OffsetCommit> commits = check(work, places);
                      // Also with nothing left to commit: the member is checked, and heard from, in
                      // any case.
                      Commit commit(service, std::move(work), std::move(commits), std::move(done));
                      std::string group = commit.group();
                      service.broker().at(
                          group, [commit = std::move(commit)](broker::Broker& owner) mutable {
                            std::move(commit).run(owner);
                          });
                    });
}

}  // namespace trv::kafka
