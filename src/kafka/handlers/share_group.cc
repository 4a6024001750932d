// Groups whose members share partitions: ShareGroupHeartbeat, ShareGroupDescribe.
#include <algorithm>

#include "base/sort_unique.h"
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/group_config.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/group_description.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"
#include "model/share_assignor.h"

namespace trv::kafka {
namespace {

using Heartbeat = wire::ShareGroupHeartbeatResponse;
using DescribeAnswer = Gathering<wire::ShareGroupDescribeResponse>;
using DescribedGroup = wire::ShareGroupDescribeResponse::Group;

model::ShareHeartbeat heartbeat_of(const Call& call,
                                   const wire::ShareGroupHeartbeatRequest& request) {
  model::ShareHeartbeat heartbeat;
  heartbeat.member_id = std::string(request.member_id);
  heartbeat.epoch = request.member_epoch;
  if (request.rack_id) heartbeat.rack_id = std::string(*request.rack_id);
  heartbeat.client_id = std::string(call.header.client_id);
  heartbeat.client_host = call.session.peer().host;
  if (request.subscribed_topic_names) {
    heartbeat.topics.emplace(request.subscribed_topic_names->begin(),
                             request.subscribed_topic_names->end());
    sort_unique(*heartbeat.topics);
  }
  return heartbeat;
}

Heartbeat refusal(ErrorCode code, std::string message) {
  Heartbeat response;
  response.error_code = wire_code(code);
  if (!message.empty()) response.error_message = std::move(message);
  return response;
}

Heartbeat response_of(broker::ShareGroups::Answer given, std::string member_id,
                      std::chrono::milliseconds interval) {
  model::ShareAnswer& answer = given.answer;
  if (answer.error != model::GroupError::none) {
    return refusal(error_code(answer.error), std::move(given.message));
  }
  Heartbeat response;
  response.member_id = std::move(member_id);
  response.member_epoch = answer.epoch;
  if (answer.epoch < 0) return response;
  response.heartbeat_interval_ms = static_cast<std::int32_t>(interval.count());
  if (!answer.assignment) return response;
  Heartbeat::Assignment assignment;
  for (auto& [topic, indexes] : *answer.assignment) {
    assignment.topic_partitions.push_back({topic_uuid(topic), std::move(indexes)});
  }
  response.assignment = std::move(assignment);
  return response;
}

// On the group's owner.
void heartbeat_there(broker::Broker& owner, const std::string& group,
                     model::ShareHeartbeat heartbeat, CoreIndex home, const Reply& reply) {
  broker::ShareGroups& shares = owner.groups().shares();
  const ShareTerms terms = share_terms(shares.settings(group));
  std::string member_id = heartbeat.member_id;
  auto answered = [&owner, home, reply, member_id = std::move(member_id),
                   interval =
                       terms.heartbeat_interval](broker::ShareGroups::Answer answer) mutable {
    broker::Commit shown = answer.shown;
    auto finish = [&owner, home, reply](Heartbeat response) {
      back_home(owner, home, [reply, response = std::move(response)] { reply.send(response); });
    };
    Heartbeat response = response_of(std::move(answer), std::move(member_id), interval);
    if (response.error_code != 0) return finish(std::move(response));
    owner.when_durable(
        shown, [finish, response = std::move(response)](Result<broker::Durable> result) mutable {
          finish(result ? std::move(response) : refusal(ErrorCode::coordinator_not_available, ""));
        });
  };
  shares.heartbeat(group, std::move(heartbeat), terms.session_timeout, valid_topic_name,
                   std::move(answered));
}

DescribedGroup describe(broker::Broker& owner, const std::string& name, bool operations) {
  DescribedGroup described;
  described.group_id = name;
  if (operations) described.authorized_operations = group_operations;
  if (name.empty()) {
    described.error_code = wire_code(ErrorCode::invalid_group_id);
    return described;
  }
  broker::ShareGroups& shares = owner.groups().shares();
  if (!shares.exists(name)) {
    const bool other = owner.groups().is_of_other_kind(name);
    described.error_code = wire_code(ErrorCode::group_id_not_found);
    described.error_message = "Group " + name + (other ? " is not a share group." : " not found.");
    return described;
  }
  const model::ShareGroup& group = shares.group_of(name);
  described.group_state = std::string(group.state_name());
  described.group_epoch = group.epoch();
  described.assignment_epoch = group.epoch();
  described.assignor_name = std::string(model::share_assignor_name);
  std::map<TopicId, std::string> names;
  for (const auto& [topic, known] : group.topics()) names.emplace(known.id, topic);
  for (const auto& [id, member] : group.members()) {
    auto& told = described.members.emplace_back();
    told.member_id = id;
    told.rack_id = member.rack_id;
    told.member_epoch = member.epoch;
    told.client_id = member.client_id;
    told.client_host = member.client_host;
    told.subscribed_topic_names = member.topics;
    for (const auto& [topic, indexes] : member.assigned) {
      auto topic_name = names.find(topic);
      if (topic_name == names.end()) continue;
      told.assignment.topic_partitions.push_back({topic_uuid(topic), topic_name->second, indexes});
    }
  }
  return described;
}

// On the group's owner.
void describe_there(broker::Broker& owner, std::shared_ptr<DescribeAnswer> answer,
                    std::size_t place, const std::string& name, bool operations, CoreIndex home) {
  DescribedGroup group = describe(owner, name, operations);
  const broker::Commit shown = owner.groups().shares().last_change();
  answer_when_durable(owner, shown, std::move(answer), place, std::move(group), home);
}

}  // namespace

void handle_share_group_heartbeat(const Call& call,
                                  const wire::ShareGroupHeartbeatRequest& request) {
  if (request.group_id.empty()) {
    call.reply.send(refusal(ErrorCode::invalid_request, "GroupId can't be empty."));
    return;
  }
  std::string group(request.group_id);
  call.service.broker().at(group,
                           [group, heartbeat = heartbeat_of(call, request), reply = call.reply,
                            home = call.service.home()](broker::Broker& owner) mutable {
                             heartbeat_there(owner, group, std::move(heartbeat), home, reply);
                           });
}

void handle_share_group_describe(const Call& call, const wire::ShareGroupDescribeRequest& request) {
  auto answer = gather_answer<wire::ShareGroupDescribeResponse>(call.reply);
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
