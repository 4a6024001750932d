// CreateTopics. Any replication factor of 1 or more is accepted: keeping copies is the store's
// business, and the answer tells what there is.
#include <algorithm>
#include <map>

#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/refusal.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"
#include "kafka/topic_config.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::CreateTopicsResponse>;
using AnswerTopic = wire::CreateTopicsResponse::Topic;
using AskedTopic = wire::CreateTopicsRequest::Topic;

constexpr std::int16_t replica_count = 1;
constexpr std::int8_t source_topic = 1;
constexpr std::int8_t source_default = 5;

Refusal check_assignments(const AskedTopic& asked, std::int32_t node_id) {
  if (asked.num_partitions != -1 || asked.replication_factor != -1) {
    return {ErrorCode::invalid_request,
            "Both partition count or replication factor and an assignment were given."};
  }
  std::vector<bool> seen(asked.assignments.size());
  for (const auto& assignment : asked.assignments) {
    std::int32_t index = assignment.partition_index;
    if (index < 0 || static_cast<std::size_t>(index) >= seen.size() ||
        seen[static_cast<std::size_t>(index)]) {
      return {ErrorCode::invalid_replica_assignment, "Partitions must be numbered from 0."};
    }
    seen[static_cast<std::size_t>(index)] = true;
    if (assignment.broker_ids.size() != 1 || assignment.broker_ids.front() != node_id) {
      return {ErrorCode::invalid_replica_assignment, "An assigned broker does not exist."};
    }
  }
  return {};
}

// Fills `settings` from what is asked.
Refusal check_topic(const Call& call, const AskedTopic& asked, model::TopicSettings& settings) {
  if (!valid_topic_name(asked.name)) return {ErrorCode::invalid_topic, "Topic name is invalid."};
  if (is_internal_topic(asked.name)) {
    return {ErrorCode::invalid_topic,
            "The broker makes this topic itself, when it is first asked for."};
  }
  std::int32_t count = asked.num_partitions;
  if (!asked.assignments.empty()) {
    Refusal refusal = check_assignments(asked, call.service.options().node_id);
    if (refusal.code != ErrorCode::none) return refusal;
    count = static_cast<std::int32_t>(asked.assignments.size());
  } else {
    // -1 is as the broker likes, in any version, though it came with the fourth: as in Kafka.
    if (count == -1) count = call.service.broker().options().auto_partition_count;
    if (asked.replication_factor < 1 && asked.replication_factor != -1) {
      return {ErrorCode::invalid_replication_factor, "Replication factor must be larger than 0."};
    }
  }
  if (count < 1 || count > partition_count_max) {
    return {ErrorCode::invalid_partitions, "Number of partitions must be between 1 and " +
                                               std::to_string(partition_count_max) + "."};
  }
  settings.partition_count = count;
  for (const auto& config : asked.configs) {
    Status status = apply_topic_config(settings, config.name, config.value);
    if (!status) return {ErrorCode::invalid_config, status.error().message};
  }
  if (Status together = check_topic_settings(settings); !together) {
    return {ErrorCode::invalid_config, together.error().message};
  }
  return {};
}

AnswerTopic refused(std::string name, Refusal refusal) {
  AnswerTopic topic;
  topic.name = std::move(name);
  topic.error_code = wire_code(refusal.code);
  topic.error_message = std::move(refusal.message);
  topic.configs.emplace();
  return topic;
}

AnswerTopic created_topic(std::string name, TopicId id, const model::TopicSettings& settings) {
  AnswerTopic topic;
  topic.name = std::move(name);
  topic.topic_id = topic_uuid(id);
  topic.num_partitions = settings.partition_count;
  topic.replication_factor = replica_count;
  topic.configs.emplace();
  for (const TopicConfig& config : topic_configs()) {
    ConfigValue value = topic_config_value(settings, config);
    topic.configs->push_back({std::string(config.name), std::move(value.value), false,
                              value.given ? source_topic : source_default, false});
  }
  return topic;
}

void add_topic(const std::shared_ptr<Answer>& answer, AnswerTopic topic) {
  answer->response.topics.push_back(std::move(topic));
  answer->done();
}

struct Asked {
  std::string name;
  model::TopicSettings settings;
  bool validate_only = false;
  CoreIndex home;
};

Refusal refusal_of(const std::string& name, const Error& error) {
  if (error.code == Errc::already_exists) {
    return {ErrorCode::topic_already_exists, "Topic '" + name + "' already exists."};
  }
  ErrorCode code =
      error.code == Errc::invalid_argument ? ErrorCode::invalid_config : error_code(error.code);
  return {code, error.message};
}

// On the owner's core.
void create_asked(broker::Broker& owner, std::shared_ptr<Answer> answer, Asked asked) {
  auto reply = [&owner, home = asked.home](std::shared_ptr<Answer> to, AnswerTopic topic) {
    back_home(owner, home, [to = std::move(to), topic = std::move(topic)]() mutable {
      add_topic(to, std::move(topic));
    });
  };
  asked.settings.durability = owner.options().durability;
  if (asked.validate_only) {
    if (owner.topics().find(asked.name) != nullptr) {
      reply(answer, refused(asked.name, refusal_of(asked.name, {Errc::already_exists, ""})));
    } else {
      reply(answer, created_topic(asked.name, TopicId(), asked.settings));
    }
    return;
  }
  auto created = owner.topics().create(asked.name, asked.settings);
  if (!created) {
    reply(answer, refused(asked.name, refusal_of(asked.name, created.error())));
    return;
  }
  TopicId id = owner.topics().state(*created->topic).id();
  owner.when_durable(created->commit, [reply, answer, asked, id](Result<broker::Durable> result) {
    reply(answer, result ? created_topic(asked.name, id, asked.settings)
                         : refused(asked.name, refusal_of(asked.name, result.error())));
  });
}

}  // namespace

void handle_create_topics(const Call& call, const wire::CreateTopicsRequest& request) {
  auto answer = gather_answer<wire::CreateTopicsResponse>(call.reply);
  std::map<ByteView, int> times_named;
  for (const AskedTopic& asked : request.topics) ++times_named[asked.name];
  for (const AskedTopic& asked : request.topics) {
    int& times = times_named[asked.name];
    if (times == 0) continue;  // a duplicate that was refused already
    answer->expect();
    std::string name(asked.name);
    if (times > 1) {
      times = 0;
      add_topic(answer, refused(name, {ErrorCode::invalid_request,
                                       "The request names this topic more than once."}));
      continue;
    }
    model::TopicSettings settings;
    Refusal refusal = check_topic(call, asked, settings);
    if (refusal.code != ErrorCode::none) {
      add_topic(answer, refused(name, std::move(refusal)));
      continue;
    }
    Asked work{name, std::move(settings), request.validate_only, call.service.home()};
    call.service.broker().at(name, [answer, work = std::move(work)](broker::Broker& owner) mutable {
      create_asked(owner, std::move(answer), std::move(work));
    });
  }
  answer->done();
}

}  // namespace trv::kafka
