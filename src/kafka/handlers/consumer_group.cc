// Groups whose partitions the broker assigns: ConsumerGroupHeartbeat, ConsumerGroupDescribe.
#include <algorithm>
#include <random>

#include "base/sort_unique.h"
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/group_description.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Heartbeat = wire::ConsumerGroupHeartbeatResponse;
using DescribeAnswer = Gathering<wire::ConsumerGroupDescribeResponse>;
using DescribedGroup = wire::ConsumerGroupDescribeResponse::Group;
using DescribedMember = DescribedGroup::Member;

// Whether a member follows the older protocol or this one.
constexpr std::int8_t member_type_consumer = 1;

std::optional<std::string> owned_text(std::optional<ByteView> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

// Members of version 0 may leave it to the broker to name them.
std::string fresh_member_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::random_device random;
  std::string id;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) id += '-';
    id += digits[random() & 15];
  }
  return id;
}

model::TopicPartitions owned_partitions(
    const std::vector<wire::ConsumerGroupHeartbeatRequest::TopicPartitions>& topics) {
  model::TopicPartitions partitions;
  for (const auto& topic : topics) {
    if (topic.partitions.empty()) continue;
    std::vector<std::int32_t>& indexes = partitions[topic_id(topic.topic_id)];
    indexes.insert(indexes.end(), topic.partitions.begin(), topic.partitions.end());
    sort_unique(indexes);
  }
  return partitions;
}

model::ConsumerHeartbeat heartbeat_of(const Call& call,
                                      const wire::ConsumerGroupHeartbeatRequest& request) {
  model::ConsumerHeartbeat heartbeat;
  heartbeat.member_id = std::string(request.member_id);
  heartbeat.epoch = request.member_epoch;
  if (call.header.version == 0 && heartbeat.member_id.empty() &&
      heartbeat.epoch == model::ConsumerHeartbeat::join) {
    heartbeat.member_id = fresh_member_id();
  }
  heartbeat.instance_id = owned_text(request.instance_id);
  heartbeat.rack_id = owned_text(request.rack_id);
  heartbeat.client_id = std::string(call.header.client_id);
  heartbeat.client_host = call.session.peer().host;
  if (request.rebalance_timeout_ms != -1) {
    heartbeat.rebalance_timeout =
        std::chrono::milliseconds(std::max(request.rebalance_timeout_ms, 0));
  }
  if (request.subscribed_topic_names) {
    heartbeat.topics.emplace(request.subscribed_topic_names->begin(),
                             request.subscribed_topic_names->end());
    sort_unique(*heartbeat.topics);
  }
  heartbeat.pattern = owned_text(request.subscribed_topic_regex);
  heartbeat.assignor = owned_text(request.server_assignor);
  if (request.topic_partitions) heartbeat.owned = owned_partitions(*request.topic_partitions);
  return heartbeat;
}

Heartbeat refusal(ErrorCode code, std::string message) {
  Heartbeat response;
  response.error_code = wire_code(code);
  if (!message.empty()) response.error_message = std::move(message);
  return response;
}

Heartbeat response_of(broker::ConsumerGroups::Answer answer, std::string member_id) {
  if (answer.error != model::GroupError::none) {
    return refusal(error_code(answer.error), std::move(answer.message));
  }
  Heartbeat response;
  response.member_id = std::move(member_id);
  response.member_epoch = answer.epoch;
  if (answer.epoch < 0) return response;
  response.heartbeat_interval_ms =
      static_cast<std::int32_t>(model::consumer_heartbeat_interval.count());
  if (!answer.assignment) return response;
  Heartbeat::Assignment assignment;
  for (auto& [topic, indexes] : *answer.assignment) {
    assignment.topic_partitions.push_back({topic_uuid(topic), std::move(indexes)});
  }
  response.assignment = std::move(assignment);
  return response;
}

// The names of the group's topics, for its partitions; topics that are gone are left out.
template <class Assignment>
void name_partitions(const model::TopicPartitions& partitions,
                     const std::map<TopicId, std::string>& names, Assignment& to) {
  for (const auto& [topic, indexes] : partitions) {
    auto name = names.find(topic);
    if (name == names.end()) continue;
    to.topic_partitions.push_back({topic_uuid(topic), name->second, indexes});
  }
}

DescribedMember describe_member(const std::string& id, const model::ConsumerMember& member,
                                const model::TopicPartitions& target,
                                const std::map<TopicId, std::string>& names) {
  DescribedMember described;
  described.member_id = id;
  described.instance_id = member.instance_id;
  described.rack_id = member.rack_id;
  described.member_epoch = member.epoch;
  described.client_id = member.client_id;
  described.client_host = member.client_host;
  described.subscribed_topic_names = member.topics;
  described.subscribed_topic_regex = member.pattern;
  name_partitions(member.assigned, names, described.assignment);
  name_partitions(target, names, described.target_assignment);
  described.member_type = member_type_consumer;
  return described;
}

DescribedGroup describe(broker::Broker& owner, const std::string& name, bool operations) {
  DescribedGroup described;
  described.group_id = name;
  if (operations) described.authorized_operations = group_operations;
  if (name.empty()) {
    described.error_code = wire_code(ErrorCode::invalid_group_id);
    return described;
  }
  const model::ConsumerGroup* group = owner.groups().consumers().find(name);
  if (group == nullptr) {
    bool other = owner.groups().describe(name) || owner.groups().shares().exists(name);
    described.error_code = wire_code(ErrorCode::group_id_not_found);
    described.error_message =
        "Group " + name + (other ? " is not a consumer group." : " not found.");
    return described;
  }
  described.group_state = std::string(group->state_name());
  described.group_epoch = group->epoch();
  described.assignment_epoch = group->target_epoch();
  described.assignor_name = std::string(group->assignor());
  std::map<TopicId, std::string> names;
  for (const auto& [topic, known] : group->topics()) names.emplace(known.id, topic);
  for (const auto& [id, member] : group->members()) {
    described.members.push_back(describe_member(id, member, group->target_of(id), names));
  }
  return described;
}

// On the group's owner.
void describe_there(broker::Broker& owner, std::shared_ptr<DescribeAnswer> answer,
                    std::size_t place, const std::string& name, bool operations, CoreIndex home) {
  DescribedGroup group = describe(owner, name, operations);
  const broker::Commit shown = owner.groups().consumers().last_change();
  answer_when_durable(owner, shown, std::move(answer), place, std::move(group), home);
}

}  // namespace

void handle_consumer_group_heartbeat(const Call& call,
                                     const wire::ConsumerGroupHeartbeatRequest& request) {
  if (request.group_id.empty()) {
    call.reply.send(refusal(ErrorCode::invalid_request, "GroupId can't be empty."));
    return;
  }
  std::string group(request.group_id);
  call.service.broker().at(
      group, [group, heartbeat = heartbeat_of(call, request), reply = call.reply,
              home = call.service.home()](broker::Broker& owner) mutable {
        std::string member_id = heartbeat.member_id;
        owner.groups().consumers().heartbeat(
            group, std::move(heartbeat), valid_topic_name,
            [&owner, home, reply,
             member_id = std::move(member_id)](broker::ConsumerGroups::Answer answer) mutable {
              broker::Commit shown = answer.shown;
              auto finish = [&owner, home, reply](Heartbeat response) {
                back_home(owner, home,
                          [reply, response = std::move(response)] { reply.send(response); });
              };
              Heartbeat response = response_of(std::move(answer), std::move(member_id));
              if (response.error_code != 0) return finish(std::move(response));
              owner.when_durable(shown, [finish, response = std::move(response)](
                                            Result<broker::Durable> result) mutable {
                finish(result ? std::move(response)
                              : refusal(ErrorCode::coordinator_not_available, ""));
              });
            });
      });
}

void handle_consumer_group_describe(const Call& call,
                                    const wire::ConsumerGroupDescribeRequest& request) {
  auto answer = gather_answer<wire::ConsumerGroupDescribeResponse>(call.reply);
  answer->response.groups.resize(request.group_ids.size());
  CoreIndex home = call.service.home();
  bool operations = request.include_authorized_operations;
  for (std::size_t place = 0; place < request.group_ids.size(); ++place) {
    answer->expect();
    std::string name(request.group_ids[place]);
    call.service.broker().at(name, [answer, home, place, name, operations](broker::Broker& owner) {
      describe_there(owner, answer, place, name, operations, home);
    });
  }
  answer->done();
}

}  // namespace trv::kafka
