// Where share groups are in their partitions: DescribeShareGroupOffsets, AlterShareGroupOffsets,
// DeleteShareGroupOffsets.
#include <algorithm>
#include <set>

#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Described = wire::DescribeShareGroupOffsetsResponse;
using Altered = wire::AlterShareGroupOffsetsResponse;
using Deleted = wire::DeleteShareGroupOffsetsResponse;

// What a partition tells of which its group has not read anything.
constexpr std::int64_t start_unknown = -1;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::optional<std::string> message;
};

enum class Existence {
  needless,  // of a group that does not exist nothing was read
  needed,
  made,  // when there is no such group, there is one afterwards
};

// On the group's owner.
Refusal check_group(broker::Broker& owner, const std::string& group, Existence existence) {
  if (group.empty()) return {ErrorCode::invalid_group_id, "GroupId can't be empty."};
  broker::ShareGroups& shares = owner.groups().shares();
  if (!shares.exists(group)) {
    const bool other = owner.groups().is_of_other_kind(group);
    if (!other && existence != Existence::needed) return {};
    return {ErrorCode::group_id_not_found,
            "Group " + group + (other ? " is not a share group." : " not found.")};
  }
  if (existence != Existence::needless && shares.has_members(group)) {
    return {ErrorCode::non_empty_group, "The group is not empty."};
  }
  return {};
}

// Runs `then` with the outcome on the home core; a group that was made is durable then.
void check_there(Service& service, const std::string& group, Existence existence,
                 UniqueFunction<void(Refusal)> then) {
  service.broker().at(group, [group, existence, home = service.home(),
                              then = std::move(then)](broker::Broker& owner) mutable {
    Refusal refusal = check_group(owner, group, existence);
    auto finish = [&owner, home, then = std::move(then)](Refusal outcome) mutable {
      back_home(owner, home, [then = std::move(then), outcome = std::move(outcome)]() mutable {
        then(std::move(outcome));
      });
    };
    broker::ShareGroups& shares = owner.groups().shares();
    const bool makes = existence == Existence::made && !shares.exists(group);
    if (refusal.code != ErrorCode::none || !makes) return finish(std::move(refusal));
    Result<broker::Commit> made = shares.create(group);
    if (!made) return finish({error_code(made.error().code), made.error().message});
    owner.when_durable(*made, [finish = std::move(finish)](Result<broker::Durable> result) mutable {
      finish(result ? Refusal() : Refusal{ErrorCode::coordinator_not_available, std::nullopt});
    });
  });
}

// --- describing ----------------------------------------------------------------------------------

struct AskedTopic {
  std::string name;
  std::vector<std::int32_t> partitions;
};
struct AskedGroup {
  std::string group;
  std::optional<std::vector<AskedTopic>> topics;
};

void fill_partitions(broker::Broker& owner, broker::Topic* topic, const AskedGroup& asked,
                     const std::vector<std::int32_t>* wanted, Described::Group::Topic& told) {
  std::map<std::int32_t, broker::ShareCursors::Position> places;
  if (topic != nullptr) {
    told.topic_id = topic_uuid(owner.topics().state(*topic).id());
    for (const auto& position : owner.groups().share_cursors().positions(*topic, asked.group)) {
      places.emplace(position.partition.value, position);
    }
  }
  if (wanted == nullptr) {
    for (const auto& [index, place] : places) {
      told.partitions.push_back({index, place.start.value, 0, place.lag, 0, {}});
    }
    return;
  }
  for (std::int32_t index : *wanted) {
    auto& partition = told.partitions.emplace_back();
    partition.index = index;
    partition.start_offset = start_unknown;
    // Of what does not exist nothing was read, either.
    if (auto place = places.find(index); place != places.end()) {
      partition.start_offset = place->second.start.value;
      partition.lag = place->second.lag;
    }
  }
}

// What this core knows. `commit` covers it.
std::vector<Described::Group::Topic> describe_here(broker::Broker& owner, const AskedGroup& asked,
                                                   broker::Commit& commit) {
  std::vector<AskedTopic> topics;
  if (asked.topics) {
    for (const AskedTopic& topic : *asked.topics) {
      if (owner.owns(topic.name)) topics.push_back(topic);
    }
  } else {
    for (std::string& name : owner.groups().share_cursors().topics_of(asked.group)) {
      if (valid_topic_name(name)) topics.push_back({std::move(name), {}});
    }
  }
  std::vector<Described::Group::Topic> told;
  for (const AskedTopic& topic : topics) {
    broker::Topic* found = valid_topic_name(topic.name) ? owner.topics().find(topic.name) : nullptr;
    auto& answer = told.emplace_back();
    answer.name = topic.name;
    fill_partitions(owner, found, asked, asked.topics ? &topic.partitions : nullptr, answer);
    if (found != nullptr) {
      commit = commit | owner.groups().share_cursors().last_change(*found);
    }
  }
  return told;
}

using DescribeAnswer = Gathering<Described>;

void describe_everywhere(Service& service, const std::shared_ptr<DescribeAnswer>& answer,
                         std::size_t place, const AskedGroup& asked) {
  CoreIndex home = service.home();
  for (int core = 0; core < service.broker().core_count(); ++core) {
    answer->expect();
    service.broker().at_core(
        CoreIndex(static_cast<std::uint16_t>(core)),
        [answer, place, home, asked](broker::Broker& owner) mutable {
          broker::Commit commit;
          auto topics = describe_here(owner, asked, commit);
          // What is on its way to the disk must not be shown before it is there.
          owner.when_durable(
              commit, [&owner, home, answer = std::move(answer), place,
                       topics = std::move(topics)](Result<broker::Durable> result) mutable {
                back_home(owner, home,
                          [answer = std::move(answer), place, topics = std::move(topics),
                           failed = !result]() mutable {
                            auto& group = answer->response.groups[place];
                            if (failed)
                              group.error_code = wire_code(ErrorCode::coordinator_not_available);
                            for (auto& topic : topics) group.topics.push_back(std::move(topic));
                            answer->done();
                          });
              });
        });
  }
}

// --- changing ------------------------------------------------------------------------------------

// One topic's part of an answer, on its way home.
template <class Topic>
struct Part {
  Topic topic;
  broker::Commit commit;
  bool changed = false;
};

// Waits for the part's changes and puts it into the answer. `fail` marks a part that was lost.
template <class Response, class Topic, class Fail>
void bring_home(broker::Broker& owner, CoreIndex home, std::shared_ptr<Gathering<Response>> answer,
                Part<Topic> part, Fail fail) {
  auto put = [&owner, home, answer = std::move(answer)](Topic topic) mutable {
    back_home(owner, home, [answer = std::move(answer), topic = std::move(topic)]() mutable {
      answer->response.topics.push_back(std::move(topic));
      answer->done();
    });
  };
  if (!part.changed) return put(std::move(part.topic));
  owner.when_durable(part.commit, [put = std::move(put), topic = std::move(part.topic),
                                   fail](Result<broker::Durable> result) mutable {
    if (!result) fail(topic);
    put(std::move(topic));
  });
}

struct AlteredPartition {
  std::int32_t index = 0;
  std::int64_t start = 0;
};

ErrorCode alter_partition(broker::Broker& owner, broker::Topic* topic, const std::string& group,
                          const AlteredPartition& asked, broker::Commit& commit) {
  const bool exists = topic != nullptr && asked.index >= 0 &&
                      asked.index < broker::Topics::settings(*topic).partition_count;
  if (!exists) return ErrorCode::unknown_topic_or_partition;
  if (asked.start < 0) return ErrorCode::invalid_request;
  Result<broker::Commit> set = owner.groups().share_cursors().set_position(
      *topic, group, PartitionIndex(asked.index), Offset(asked.start));
  if (!set) return error_code(set.error().code);
  commit = commit | *set;
  return ErrorCode::none;
}

Part<Altered::Topic> alter_topic(broker::Broker& owner, const std::string& group,
                                 const std::string& name,
                                 const std::vector<AlteredPartition>& asked) {
  Part<Altered::Topic> part;
  part.topic.name = name;
  broker::Topic* topic = valid_topic_name(name) ? owner.topics().find(name) : nullptr;
  if (topic != nullptr) part.topic.topic_id = topic_uuid(owner.topics().state(*topic).id());
  for (const AlteredPartition& partition : asked) {
    ErrorCode code = alter_partition(owner, topic, group, partition, part.commit);
    part.changed = part.changed || code == ErrorCode::none;
    part.topic.partitions.push_back({partition.index, wire_code(code), std::nullopt});
  }
  return part;
}

Part<Deleted::Topic> delete_topic(broker::Broker& owner, const std::string& group,
                                  const std::string& name) {
  Part<Deleted::Topic> part;
  part.topic.name = name;
  broker::Topic* topic = valid_topic_name(name) ? owner.topics().find(name) : nullptr;
  if (topic == nullptr) {
    part.topic.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
    part.topic.error_message = "This server does not host this topic-partition.";
    return part;
  }
  part.topic.topic_id = topic_uuid(owner.topics().state(*topic).id());
  Result<broker::Commit> forgotten = owner.groups().share_cursors().forget(*topic, group);
  if (forgotten) {
    part.commit = *forgotten;
    part.changed = true;
  } else {
    part.topic.error_code = wire_code(error_code(forgotten.error().code));
    part.topic.error_message = forgotten.error().message;
  }
  return part;
}

template <class Response>
bool refused(const std::shared_ptr<Gathering<Response>>& answer, Refusal refusal) {
  if (refusal.code == ErrorCode::none) return false;
  answer->response.error_code = wire_code(refusal.code);
  answer->response.error_message = std::move(refusal.message);
  answer->done();
  return true;
}

constexpr std::int16_t storage_error = wire_code(ErrorCode::kafka_storage_error);

}  // namespace

void handle_describe_share_group_offsets(const Call& call,
                                         const wire::DescribeShareGroupOffsetsRequest& request) {
  auto answer = gather_answer<Described>(call.reply);
  answer->response.groups.resize(request.groups.size());
  Service& service = call.service;
  for (std::size_t place = 0; place < request.groups.size(); ++place) {
    AskedGroup asked;
    asked.group = std::string(request.groups[place].group_id);
    answer->response.groups[place].group_id = asked.group;
    if (request.groups[place].topics) {
      asked.topics.emplace();
      for (const auto& topic : *request.groups[place].topics) {
        asked.topics->push_back({std::string(topic.name), topic.partitions});
      }
    }
    answer->expect();
    std::string group = asked.group;
    check_there(service, group, Existence::needless,
                [&service, answer, place, asked = std::move(asked)](Refusal refusal) {
                  if (refusal.code == ErrorCode::none) {
                    describe_everywhere(service, answer, place, asked);
                  } else {
                    answer->response.groups[place].error_code = wire_code(refusal.code);
                    answer->response.groups[place].error_message = std::move(refusal.message);
                  }
                  answer->done();
                });
  }
  answer->done();
}

void handle_alter_share_group_offsets(const Call& call,
                                      const wire::AlterShareGroupOffsetsRequest& request) {
  auto answer = gather_answer<Altered>(call.reply);
  Service& service = call.service;
  std::string group(request.group_id);
  std::vector<std::pair<std::string, std::vector<AlteredPartition>>> topics;
  for (const auto& asked : request.topics) {
    auto& topic = topics.emplace_back(std::string(asked.name), std::vector<AlteredPartition>());
    for (const auto& partition : asked.partitions) {
      topic.second.push_back({partition.index, partition.start_offset});
    }
  }
  check_there(service, group, Existence::made,
              [&service, answer, group, topics = std::move(topics)](Refusal refusal) {
                if (refused(answer, std::move(refusal))) return;
                for (const auto& topic : topics) {
                  answer->expect();
                  service.broker().at(topic.first, [answer, group, topic,
                                                    home = service.home()](broker::Broker& owner) {
                    bring_home(owner, home, answer,
                               alter_topic(owner, group, topic.first, topic.second),
                               [](Altered::Topic& lost) {
                                 for (auto& each : lost.partitions) each.error_code = storage_error;
                               });
                  });
                }
                answer->done();
              });
}

void handle_delete_share_group_offsets(const Call& call,
                                       const wire::DeleteShareGroupOffsetsRequest& request) {
  auto answer = gather_answer<Deleted>(call.reply);
  Service& service = call.service;
  std::string group(request.group_id);
  std::set<std::string> names;
  for (const auto& topic : request.topics) names.emplace(topic.name);
  check_there(service, group, Existence::needed,
              [&service, answer, group, names = std::move(names)](Refusal refusal) {
                if (refused(answer, std::move(refusal))) return;
                for (const std::string& name : names) {
                  answer->expect();
                  service.broker().at(
                      name, [answer, group, name, home = service.home()](broker::Broker& owner) {
                        bring_home(owner, home, answer, delete_topic(owner, group, name),
                                   [](Deleted::Topic& lost) { lost.error_code = storage_error; });
                      });
                }
                answer->done();
              });
}

}  // namespace trv::kafka
