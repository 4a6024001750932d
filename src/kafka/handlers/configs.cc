// DescribeConfigs: the settings of topics, of groups and, shortly, of the broker.
#include <algorithm>

#include "broker/groups.h"
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/group_config.h"
#include "kafka/handlers/config_resource.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"
#include "kafka/topic_config.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::DescribeConfigsResponse>;
using AnswerResult = wire::DescribeConfigsResponse::Result;
using AnswerConfig = AnswerResult::Config;

constexpr std::int8_t source_topic = 1;
constexpr std::int8_t source_static_broker = 4;
constexpr std::int8_t source_default = 5;
constexpr std::int8_t source_group = 8;

struct Asked {
  std::string name;
  std::optional<std::vector<std::string>> keys;
  bool synonyms = false;

  bool wants(std::string_view key) const {
    return !keys || std::find(keys->begin(), keys->end(), key) != keys->end();
  }
};

AnswerResult start_result(std::int8_t type, std::string name) {
  AnswerResult result;
  result.type = type;
  result.name = std::move(name);
  return result;
}

AnswerConfig describe_config(const Asked& asked, const model::TopicSettings& settings,
                             const TopicConfig& config) {
  ConfigValue value = topic_config_value(settings, config);
  AnswerConfig answer;
  answer.name = std::string(config.name);
  answer.config_source = value.given ? source_topic : source_default;
  answer.config_type = static_cast<std::int8_t>(config.type);
  if (asked.synonyms) {
    if (value.given) answer.synonyms.push_back({answer.name, value.value, source_topic});
    answer.synonyms.push_back({answer.name, std::string(config.default_value), source_default});
  }
  answer.value = std::move(value.value);
  return answer;
}

// On the owner's core.
AnswerResult describe_topic(broker::Broker& owner, const Asked& asked) {
  AnswerResult result = start_result(config_resource::topic, asked.name);
  if (!valid_topic_name(asked.name)) {
    result.error_code = wire_code(ErrorCode::invalid_topic);
    result.error_message = "Topic name is invalid.";
    return result;
  }
  broker::Topic* topic = owner.topics().find(asked.name);
  if (topic == nullptr) {
    result.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
    result.error_message = "There is no topic of this name.";
    return result;
  }
  const model::TopicSettings& settings = owner.topics().state(*topic).settings();
  for (const TopicConfig& config : topic_configs()) {
    if (asked.wants(config.name)) {
      result.configs.push_back(describe_config(asked, settings, config));
    }
  }
  return result;
}

// On the owner's core.
AnswerResult describe_group(broker::Broker& owner, const Asked& asked) {
  AnswerResult result = start_result(config_resource::group, asked.name);
  if (asked.name.empty()) {
    result.error_code = wire_code(ErrorCode::invalid_request);
    result.error_message = "Default group resources are not allowed.";
    return result;
  }
  const model::ShareGroupRecords::Settings& settings = owner.groups().shares().settings(asked.name);
  for (const GroupConfig& config : group_configs()) {
    if (!asked.wants(config.name)) continue;
    AnswerConfig& answer = result.configs.emplace_back();
    answer.name = std::string(config.name);
    answer.config_type = static_cast<std::int8_t>(config.type);
    auto given = settings.find(config.name);
    const bool is_given = given != settings.end();
    answer.config_source = is_given ? source_group : source_default;
    answer.value = is_given ? given->second : std::string(config.default_value);
    if (!asked.synonyms) continue;
    if (is_given) answer.synonyms.push_back({answer.name, given->second, source_group});
    answer.synonyms.push_back({answer.name, std::string(config.default_value), source_default});
  }
  return result;
}

AnswerResult describe_broker(const Call& call, const Asked& asked) {
  AnswerResult result = start_result(config_resource::broker, asked.name);
  // The defaults of all brokers: there are none that could be changed.
  if (asked.name.empty()) return result;
  const Options& options = call.service.options();
  std::string node_id = std::to_string(options.node_id);
  if (asked.name != node_id) {
    result.error_code = wire_code(ErrorCode::invalid_request);
    result.error_message = "This broker has id " + node_id + ".";
    return result;
  }
  const Session::Peer& peer = call.session.peer();
  std::string advertised =
      "PLAINTEXT://" + peer.advertised_host + ":" + std::to_string(peer.advertised_port);
  auto add = [&](std::string name, std::string value, ConfigType type, std::int8_t source) {
    if (!asked.wants(name)) return;
    AnswerConfig config{std::move(name), std::move(value), true, source, false, {}, 0, {}};
    config.config_type = static_cast<std::int8_t>(type);
    result.configs.push_back(std::move(config));
  };
  const broker::BrokerOptions& limits = call.service.broker().options();
  add("advertised.listeners", advertised, ConfigType::string, source_static_broker);
  add("auto.create.topics.enable", options.auto_create_topics ? "true" : "false",
      ConfigType::boolean, source_static_broker);
  add("broker.id", node_id, ConfigType::int32, source_static_broker);
  add("default.replication.factor", "1", ConfigType::int32, source_default);
  add("delete.topic.enable", "true", ConfigType::boolean, source_default);
  add("group.initial.rebalance.delay.ms", std::to_string(limits.group_initial_delay.count()),
      ConfigType::int32, source_static_broker);
  add("log.cleanup.policy", "delete", ConfigType::list, source_default);
  add("log.retention.bytes", "-1", ConfigType::int64, source_default);
  add("log.retention.ms", "-1", ConfigType::int64, source_default);
  add("message.max.bytes", std::string(find_topic_config("max.message.bytes")->default_value),
      ConfigType::int32, source_default);
  add("min.insync.replicas", "1", ConfigType::int32, source_default);
  add("node.id", node_id, ConfigType::int32, source_static_broker);
  add("num.partitions", std::to_string(limits.auto_partition_count), ConfigType::int32,
      source_static_broker);
  return result;
}

}  // namespace

void handle_describe_configs(const Call& call, const wire::DescribeConfigsRequest& request) {
  auto answer = gather_answer<wire::DescribeConfigsResponse>(call.reply);
  for (const auto& resource : request.resources) {
    Asked asked{std::string(resource.name), std::nullopt, request.include_synonyms};
    // No keys are all keys, as in Kafka.
    if (resource.keys && !resource.keys->empty())
      asked.keys.emplace(resource.keys->begin(), resource.keys->end());
    if (resource.type == config_resource::broker) {
      answer->response.results.push_back(describe_broker(call, asked));
    } else if (resource.type == config_resource::topic || resource.type == config_resource::group) {
      answer->expect();
      std::string name = asked.name;
      auto* describe = resource.type == config_resource::topic ? describe_topic : describe_group;
      call.service.broker().at(name, [answer, describe, asked = std::move(asked),
                                      home = call.service.home()](broker::Broker& owner) mutable {
        back_home(owner, home,
                  [answer = std::move(answer), result = describe(owner, asked)]() mutable {
                    answer->response.results.push_back(std::move(result));
                    answer->done();
                  });
      });
    } else {
      AnswerResult result = start_result(resource.type, asked.name);
      result.error_code = wire_code(ErrorCode::invalid_request);
      result.error_message = "Settings of this kind of resource do not exist here.";
      answer->response.results.push_back(std::move(result));
    }
  }
  answer->done();
}

}  // namespace trv::kafka
