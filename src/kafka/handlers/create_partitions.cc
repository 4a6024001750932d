// CreatePartitions: more partitions for topics that exist. Records stay where they are; keys are
// dealt out anew over all partitions from then on, as in Kafka.
#include <map>

#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::CreatePartitionsResponse>;
using AskedTopic = wire::CreatePartitionsRequest::Topic;

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::optional<std::string> message;
};

struct Asked {
  std::string name;
  std::int32_t count = 0;
  // The brokers of each new partition, when the client chooses them.
  std::optional<std::vector<std::vector<std::int32_t>>> assignments;
  bool validate_only = false;
  CoreIndex home;
  std::int32_t node_id = 0;
};

void add_result(const std::shared_ptr<Answer>& answer, std::string name, Refusal refusal) {
  answer->response.results.push_back(
      {std::move(name), wire_code(refusal.code), std::move(refusal.message)});
  answer->done();
}

// There is one broker, so the only assignment that can be kept is that one, once.
Refusal check_assignment(const std::vector<std::int32_t>& brokers, std::int32_t node_id) {
  const std::string begin = "The manual partition assignment includes ";
  if (brokers.empty()) {
    return {ErrorCode::invalid_replica_assignment, begin + "an empty replica list."};
  }
  for (std::int32_t broker : brokers) {
    if (broker != node_id) {
      return {ErrorCode::invalid_replica_assignment,
              begin + "broker " + std::to_string(broker) + ", but no such broker is registered."};
    }
  }
  if (brokers.size() > 1) {
    return {ErrorCode::invalid_replica_assignment,
            begin + "the broker " + std::to_string(node_id) + " more than once."};
  }
  return {};
}

Refusal check_count(const Asked& asked, std::int32_t present) {
  if (asked.count == present) {
    return {ErrorCode::invalid_partitions,
            "Topic already has " + std::to_string(present) + " partition(s)."};
  }
  if (asked.count < present) {
    return {ErrorCode::invalid_partitions,
            "The topic " + asked.name + " currently has " + std::to_string(present) +
                " partition(s); " + std::to_string(asked.count) + " would not be an increase."};
  }
  if (asked.count > partition_count_max) {
    return {ErrorCode::invalid_partitions, "Number of partitions must be between 1 and " +
                                               std::to_string(partition_count_max) + "."};
  }
  return {};
}

Refusal check(const Asked& asked, std::int32_t present) {
  Refusal refusal = check_count(asked, present);
  if (refusal.code != ErrorCode::none || !asked.assignments) return refusal;
  auto added = static_cast<std::size_t>(asked.count - present);
  if (asked.assignments->size() != added) {
    return {ErrorCode::invalid_replica_assignment,
            "Attempted to add " + std::to_string(added) + " additional partition(s), but only " +
                std::to_string(asked.assignments->size()) + " assignment(s) were specified."};
  }
  for (const auto& brokers : *asked.assignments) {
    refusal = check_assignment(brokers, asked.node_id);
    if (refusal.code != ErrorCode::none) return refusal;
  }
  return {};
}

// On the owner's core.
void add_asked(broker::Broker& owner, std::shared_ptr<Answer> answer, Asked asked) {
  auto reply = [&owner, answer, name = asked.name, home = asked.home](Refusal refusal) {
    back_home(owner, home, [answer, name, refusal = std::move(refusal)]() mutable {
      add_result(answer, std::move(name), std::move(refusal));
    });
  };
  broker::Topic* topic = valid_topic_name(asked.name) ? owner.topics().find(asked.name) : nullptr;
  if (topic == nullptr) return reply({ErrorCode::unknown_topic_or_partition, std::nullopt});
  Refusal refusal = check(asked, broker::Topics::settings(*topic).partition_count);
  if (refusal.code != ErrorCode::none || asked.validate_only) return reply(std::move(refusal));
  Result<broker::Commit> added = owner.topics().add_partitions(*topic, asked.count);
  if (!added) return reply({error_code(added.error().code), added.error().message});
  owner.when_durable(*added, [reply](Result<broker::Durable> result) {
    reply(result ? Refusal() : Refusal{error_code(result.error().code), result.error().message});
  });
}

}  // namespace

void handle_create_partitions(const Call& call, const wire::CreatePartitionsRequest& request) {
  auto answer = gather_answer<wire::CreatePartitionsResponse>(call.reply);
  std::map<ByteView, int> times_named;
  for (const AskedTopic& topic : request.topics) ++times_named[topic.name];
  for (const AskedTopic& topic : request.topics) {
    int& times = times_named[topic.name];
    if (times == 0) continue;  // a duplicate that was refused already
    answer->expect();
    if (times > 1) {
      times = 0;
      add_result(answer, std::string(topic.name),
                 {ErrorCode::invalid_request, "Duplicate topic name."});
      continue;
    }
    Asked asked{std::string(topic.name), topic.count,         std::nullopt,
                request.validate_only,   call.service.home(), call.service.options().node_id};
    if (topic.assignments) {
      asked.assignments.emplace();
      for (const auto& one : *topic.assignments) asked.assignments->push_back(one.broker_ids);
    }
    call.service.broker().at(topic.name,
                             [answer, asked = std::move(asked)](broker::Broker& owner) mutable {
                               add_asked(owner, std::move(answer), std::move(asked));
                             });
  }
  answer->done();
}

}  // namespace trv::kafka
