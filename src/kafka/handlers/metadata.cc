// Metadata: brokers, topics and their partitions; creates unknown topics when both sides allow it.
#include <algorithm>
#include <set>

#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"
#include "kafka/state_topics.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::MetadataResponse>;
using AnswerTopic = wire::MetadataResponse::Topic;

constexpr std::int32_t leader_epoch = 0;

AnswerTopic describe_error(std::string name, ErrorCode code) {
  AnswerTopic topic;
  topic.error_code = wire_code(code);
  topic.name = std::move(name);
  return topic;
}

AnswerTopic describe_topic(std::string name, TopicId id, std::int32_t partition_count,
                           std::int32_t node_id) {
  AnswerTopic topic;
  topic.is_internal = is_internal_topic(name);
  topic.name = std::move(name);
  topic.topic_id = topic_uuid(id);
  topic.partitions.resize(static_cast<std::size_t>(partition_count));
  for (std::int32_t p = 0; p < partition_count; ++p) {
    auto& partition = topic.partitions[static_cast<std::size_t>(p)];
    partition.index = p;
    partition.leader_id = node_id;
    partition.leader_epoch = leader_epoch;
    partition.replica_nodes = {node_id};
    partition.isr_nodes = {node_id};
  }
  return topic;
}

void describe_all(const std::shared_ptr<Answer>& answer, Service& service) {
  answer->expect();
  service.broker().gather([](broker::Broker& owner) { return owner.topics().list(); },
                          [answer, node_id = service.options().node_id](
                              const std::vector<std::vector<broker::TopicFacts>>& by_core) {
                            for (const auto& topics : by_core) {
                              for (const broker::TopicFacts& facts : topics) {
                                if (!valid_topic_name(facts.name)) continue;
                                answer->response.topics.push_back(describe_topic(
                                    facts.name, facts.id, facts.settings.partition_count, node_id));
                              }
                            }
                            answer->done();
                          });
}

void add_topic(const std::shared_ptr<Answer>& answer, AnswerTopic topic) {
  answer->response.topics.push_back(std::move(topic));
  answer->done();
}

struct Asked {
  std::string name;
  bool create = false;
  std::int32_t partition_count = 1;
  CoreIndex home;
  std::int32_t node_id = 0;
};

// On the owner's core.
void create_asked(broker::Broker& owner, std::shared_ptr<Answer> answer, Asked asked) {
  model::TopicSettings settings;
  settings.partition_count = asked.partition_count;
  settings.durability = owner.options().durability;
  auto created = owner.topics().create(asked.name, settings);
  if (!created) {
    ErrorCode code = created.error().code == Errc::invalid_argument
                         ? ErrorCode::invalid_topic
                         : error_code(created.error().code);
    back_home(owner, asked.home, [answer, topic = describe_error(asked.name, code)]() mutable {
      add_topic(answer, std::move(topic));
    });
    return;
  }
  TopicId id = owner.topics().state(*created->topic).id();
  owner.when_durable(created->commit, [answer, asked, id, &owner](Result<broker::Durable> result) {
    AnswerTopic topic = result
                            ? describe_topic(asked.name, id, asked.partition_count, asked.node_id)
                            : describe_error(asked.name, error_code(result.error().code));
    back_home(owner, asked.home, [answer, topic = std::move(topic)]() mutable {
      add_topic(answer, std::move(topic));
    });
  });
}

// On the owner's core.
void describe_asked(broker::Broker& owner, std::shared_ptr<Answer> answer, Asked asked) {
  broker::Topic* found = owner.topics().find(asked.name);
  // What is internal has been made before, if it could be.
  if (found == nullptr && asked.create && !is_internal_topic(asked.name)) {
    create_asked(owner, std::move(answer), std::move(asked));
    return;
  }
  AnswerTopic topic;
  if (found == nullptr) {
    topic = describe_error(asked.name, ErrorCode::unknown_topic_or_partition);
  } else {
    const model::Topic& state = owner.topics().state(*found);
    topic = describe_topic(asked.name, state.id(), state.partition_count(), asked.node_id);
  }
  back_home(owner, asked.home, [answer = std::move(answer), topic = std::move(topic)]() mutable {
    add_topic(answer, std::move(topic));
  });
}

void describe_named(const std::shared_ptr<Answer>& answer, Service& service, Asked asked) {
  answer->expect();
  if (!valid_topic_name(asked.name)) {
    add_topic(answer, describe_error(asked.name, ErrorCode::invalid_topic));
    return;
  }
  std::string name = asked.name;
  StateTopics::provide(service.broker(), name, [answer, &service, asked = std::move(asked)] {
    service.broker().at(asked.name, [answer, asked](broker::Broker& owner) mutable {
      describe_asked(owner, std::move(answer), std::move(asked));
    });
  });
}

void describe_ids(const std::shared_ptr<Answer>& answer, Service& service,
                  std::vector<wire::Uuid> ids) {
  answer->expect();
  resolve_topic_ids(service, std::move(ids), [answer, &service](TopicNames names) {
    for (auto& [id, name] : names) {
      if (name.empty()) {
        AnswerTopic topic;
        topic.error_code = wire_code(ErrorCode::unknown_topic_id);
        topic.topic_id = id;
        answer->response.topics.push_back(std::move(topic));
      } else {
        describe_named(answer, service,
                       {name, false, 1, service.home(), service.options().node_id});
      }
    }
    answer->done();
  });
}

void send_with_operations(const Reply& reply, wire::MetadataResponse response) {
  for (AnswerTopic& topic : response.topics) topic.authorized_operations = topic_operations;
  reply.send(response);
}

}  // namespace

void handle_metadata(const Call& call, const wire::MetadataRequest& request) {
  auto answer = gather_answer<wire::MetadataResponse>(call.reply);
  const Options& options = call.service.options();
  broker::Broker& here = call.service.broker();
  wire::MetadataResponse& response = answer->response;
  response.brokers.push_back({options.node_id, call.session.peer().advertised_host,
                              call.session.peer().advertised_port, std::nullopt});
  response.cluster_id = here.options().cluster_id;
  response.controller_id = options.node_id;
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = cluster_operations;
  }
  if (request.include_topic_authorized_operations) answer->send = send_with_operations;
  // Version 0 has no null: there an empty list means all topics.
  bool all = !request.topics || (call.header.version == 0 && request.topics->empty());
  if (all) {
    describe_all(answer, call.service);
    answer->done();
    return;
  }
  std::vector<wire::Uuid> ids;
  std::set<ByteView> names;
  for (const auto& topic : *request.topics) {
    // By id; clients leave the name null or empty then.
    if (!topic.topic_id.is_zero() || !topic.name) {
      ids.push_back(topic.topic_id);
      continue;
    }
    if (!names.insert(*topic.name).second) continue;
    describe_named(
        answer, call.service,
        {std::string(*topic.name), options.auto_create_topics && request.allow_auto_topic_creation,
         here.options().auto_partition_count, call.service.home(), options.node_id});
  }
  if (!ids.empty()) describe_ids(answer, call.service, std::move(ids));
  answer->done();
}

}  // namespace trv::kafka
