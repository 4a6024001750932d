// Committed offsets: OffsetCommit, TxnOffsetCommit, OffsetFetch.
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/commit_run.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

// Of TxnOffsetCommit.
constexpr std::int16_t abortable_from_version = 4;
constexpr std::int16_t joining_from_version = 5;

template <class Request>
CommitWork make_work(const Request& request, bool knows_epochs) {
  CommitWork work;
  work.group = std::string(request.group_id);
  work.committer.member.member_id = std::string(request.member_id);
  if (request.group_instance_id) {
    work.committer.member.instance_id = std::string(*request.group_instance_id);
  }
  work.committer.generation = request.generation_id;
  work.committer.knows_epochs = knows_epochs;
  for (const auto& asked : request.topics) {
    CommitTopic& topic = work.topics.emplace_back();
    topic.name = std::string(asked.name);
    for (const auto& partition : asked.partitions) {
      topic.partitions.push_back(
          {partition.index, partition.committed_offset, partition.committed_leader_epoch,
           std::string(partition.committed_metadata.value_or(ByteView())), ErrorCode::none});
    }
  }
  return work;
}

template <class Response>
Response make_response(CommitWork work) {
  Response response;
  for (CommitTopic& topic : work.topics) {
    auto& answer = response.topics.emplace_back();
    answer.name = std::move(topic.name);
    for (const CommitPartition& partition : topic.partitions) {
      answer.partitions.push_back({partition.index, wire_code(partition.code)});
    }
  }
  return response;
}

// --- fetching -----------------------------------------------------------------------------------

using FetchAnswer = Gathering<wire::OffsetFetchResponse>;
using FetchedGroup = wire::OffsetFetchResponse::Group;
using FetchedPartition = FetchedGroup::GroupTopic::GroupPartition;

struct AskedGroup {
  std::string name;
  std::optional<std::vector<model::GroupPartition>> partitions;  // nothing: all
  bool require_stable = false;
  std::optional<std::string> member_id;  // of whoever says that it is a member
  std::int32_t member_epoch = -1;
};

// Versions 8 and on ask for groups, and call their parts differently.
template <class Topics>
std::optional<std::vector<model::GroupPartition>> asked_partitions(const Topics& topics) {
  if (!topics) return std::nullopt;
  std::vector<model::GroupPartition> partitions;
  for (const auto& topic : *topics) {
    for (std::int32_t index : topic.partitions) {
      partitions.push_back({std::string(topic.name), PartitionIndex(index)});
    }
  }
  return partitions;
}

// An offset of a topic that was deleted, or deleted and made again, is none.
bool is_current(const model::CommittedOffset& offset, const std::string& topic,
                const TopicPlaces& places) {
  auto place = places.find(topic);
  return place != places.end() &&
         (offset.topic_id == TopicId() || offset.topic_id == place->second.id);
}

FetchedGroup describe(const AskedGroup& asked, broker::Groups::FoundOffsets found,
                      const TopicPlaces& places) {
  FetchedGroup group;
  group.group_id = asked.name;
  for (broker::Groups::FoundOffset& one : found.offsets) {
    bool current = one.committed && is_current(*one.committed, one.partition.topic, places);
    if (!current && !asked.partitions) continue;
    if (group.topics.empty() || group.topics.back().name != one.partition.topic) {
      group.topics.emplace_back().name = one.partition.topic;
    }
    FetchedPartition& partition = group.topics.back().partitions.emplace_back();
    partition.index = one.partition.partition.value;
    partition.metadata = "";
    if (one.unstable && asked.require_stable) {
      partition.error_code = wire_code(ErrorCode::unstable_offset_commit);
    } else if (current) {
      partition.committed_offset = one.committed->offset.value;
      partition.committed_leader_epoch = one.committed->leader_epoch;
      partition.metadata = std::move(one.committed->metadata);
    }
  }
  return group;
}

void add_group(const std::shared_ptr<FetchAnswer>& answer, std::size_t place, FetchedGroup group) {
  answer->response.groups[place] = std::move(group);
  answer->done();
}

// On the home core, with what the group's owner found.
void on_found(Service& service, std::shared_ptr<FetchAnswer> answer, std::size_t place,
              AskedGroup asked, broker::Groups::FoundOffsets found) {
  std::vector<std::string> names;
  for (const auto& one : found.offsets) names.push_back(one.partition.topic);
  find_topic_places(service, std::move(names),
                    [answer = std::move(answer), place, asked = std::move(asked),
                     found = std::move(found)](const TopicPlaces& places) mutable {
                      add_group(answer, place, describe(asked, std::move(found), places));
                    });
}

void refuse_group(const std::shared_ptr<FetchAnswer>& answer, std::size_t place,
                  const std::string& name, ErrorCode code) {
  FetchedGroup group;
  group.group_id = name;
  group.error_code = wire_code(code);
  add_group(answer, place, std::move(group));
}

void fetch_group(Service& service, const std::shared_ptr<FetchAnswer>& answer, std::size_t place,
                 AskedGroup asked) {
  answer->expect();
  std::string name = asked.name;
  service.broker().at(name, [&service, home = service.home(), answer, place,
                             asked = std::move(asked)](broker::Broker& owner) mutable {
    model::GroupError wrong =
        owner.groups().check_fetch(asked.name, asked.member_id, asked.member_epoch);
    if (wrong != model::GroupError::none) {
      back_home(owner, home, [answer, place, name = asked.name, wrong] {
        refuse_group(answer, place, name, error_code(wrong));
      });
      return;
    }
    auto found = owner.groups().find_offsets(asked.name, asked.partitions);
    broker::Commit shown = found.shown;
    auto finish = [&service, &owner, home, answer = std::move(answer), place,
                   asked = std::move(asked), found = std::move(found)](bool durable) mutable {
      back_home(owner, home,
                [&service, answer = std::move(answer), place, asked = std::move(asked),
                 found = std::move(found), durable]() mutable {
                  if (durable) {
                    on_found(service, std::move(answer), place, std::move(asked), std::move(found));
                  } else {
                    refuse_group(answer, place, asked.name, ErrorCode::coordinator_not_available);
                  }
                });
    };
    // Offsets that are on their way to the disk must not be shown before they are there.
    if (owner.is_durable(shown)) return finish(true);
    owner.when_durable(shown, [finish = std::move(finish)](Result<broker::Durable> result) mutable {
      finish(result.ok());
    });
  });
}

}  // namespace

void handle_offset_commit(const Call& call, const wire::OffsetCommitRequest& request) {
  bool knows_epochs = call.header.version >= 9;
  commit_offsets(call.service, make_work(request, knows_epochs),
                 [reply = call.reply](CommitWork work) {
                   reply.send(make_response<wire::OffsetCommitResponse>(std::move(work)));
                 });
}

void handle_txn_offset_commit(const Call& call, const wire::TxnOffsetCommitRequest& request) {
  CommitWork work = make_work(request, false);
  if (work.group.empty()) {
    for (CommitTopic& topic : work.topics) {
      for (CommitPartition& partition : topic.partitions) {
        partition.code = ErrorCode::invalid_group_id;
      }
    }
    return call.reply.send(make_response<wire::TxnOffsetCommitResponse>(std::move(work)));
  }
  work.producer = {ProducerId(request.producer_id), request.producer_epoch};
  work.knows_abortable = call.header.version >= abortable_from_version;
  if (call.header.version >= joining_from_version) work.joins.emplace(request.transactional_id);
  commit_offsets(call.service, std::move(work), [reply = call.reply](CommitWork done) {
    reply.send(make_response<wire::TxnOffsetCommitResponse>(std::move(done)));
  });
}

namespace {

// The answer to one group in the form of versions 1 to 7.
void send_single(const Reply& reply, wire::OffsetFetchResponse response) {
  FetchedGroup& group = response.groups.front();
  response.error_code = group.error_code;
  for (auto& from : group.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = std::move(from.name);
    for (FetchedPartition& partition : from.partitions) {
      topic.partitions.push_back({partition.index, partition.committed_offset,
                                  partition.committed_leader_epoch, std::move(partition.metadata),
                                  partition.error_code});
    }
  }
  reply.send(response);
}

}  // namespace

void handle_offset_fetch(const Call& call, const wire::OffsetFetchRequest& request) {
  auto answer = gather_answer<wire::OffsetFetchResponse>(call.reply);
  if (call.header.version < 8) {
    answer->send = send_single;
    answer->response.groups.resize(1);
    AskedGroup asked{std::string(request.group_id), asked_partitions(request.topics),
                     request.require_stable, std::nullopt, -1};
    fetch_group(call.service, answer, 0, std::move(asked));
  } else {
    answer->response.groups.resize(request.groups.size());
    for (std::size_t place = 0; place < request.groups.size(); ++place) {
      const auto& group = request.groups[place];
      AskedGroup asked{std::string(group.group_id), asked_partitions(group.topics),
                       request.require_stable, std::nullopt, group.member_epoch};
      if (group.member_id) asked.member_id = std::string(*group.member_id);
      fetch_group(call.service, answer, place, std::move(asked));
    }
  }
  answer->done();
}

}  // namespace trv::kafka
