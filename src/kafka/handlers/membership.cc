// The life of a member in a consumer group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
#include <algorithm>

#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

// What one member may tell about itself, and a leader about all.
constexpr std::size_t metadata_size_max = 4u << 20;
constexpr std::size_t assignments_size_max = 32u << 20;

std::optional<std::string> owned(std::optional<ByteView> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

void refuse_join(const Call& call, ByteView member_id, ErrorCode code) {
  wire::JoinGroupResponse response;
  response.error_code = wire_code(code);
  response.member_id = std::string(member_id);
  call.reply.send(response);
}

wire::JoinGroupResponse join_response(model::JoinReply reply) {
  wire::JoinGroupResponse response;
  response.error_code = wire_code(error_code(reply.error));
  response.generation_id = reply.generation;
  if (reply.error == model::GroupError::none) {
    response.protocol_type = std::move(reply.protocol_type);
    response.protocol_name = std::move(reply.protocol_name);
  }
  response.leader = std::move(reply.leader);
  response.skip_assignment = reply.skip_assignment;
  response.member_id = std::move(reply.member_id);
  for (model::JoinReply::Member& member : reply.members) {
    response.members.push_back(
        {std::move(member.member_id), std::move(member.instance_id), std::move(member.metadata)});
  }
  return response;
}

wire::SyncGroupResponse sync_response(model::SyncReply reply) {
  wire::SyncGroupResponse response;
  response.error_code = wire_code(error_code(reply.error));
  if (reply.error == model::GroupError::none) {
    response.protocol_type = std::move(reply.protocol_type);
    response.protocol_name = std::move(reply.protocol_name);
  }
  response.assignment = std::move(reply.assignment);
  return response;
}

}  // namespace

void handle_join_group(const Call& call, const wire::JoinGroupRequest& request) {
  if (request.group_id.empty()) {
    return refuse_join(call, request.member_id, ErrorCode::invalid_group_id);
  }
  std::size_t metadata_size = 0;
  for (const auto& protocol : request.protocols) metadata_size += protocol.metadata.size();
  if (metadata_size > metadata_size_max) {
    return refuse_join(call, request.member_id, ErrorCode::invalid_request);
  }
  if (request.protocols.empty() || request.protocol_type.empty()) {
    return refuse_join(call, request.member_id, ErrorCode::inconsistent_group_protocol);
  }
  std::int16_t version = call.header.version;
  model::JoinRequest join;
  join.member_id = std::string(request.member_id);
  join.instance_id = owned(request.group_instance_id);
  join.client_id = std::string(call.header.client_id);
  join.client_host = call.session.peer().host;
  join.session_timeout = std::chrono::milliseconds(request.session_timeout_ms);
  join.rebalance_timeout = std::chrono::milliseconds(
      version >= 1 ? std::max(request.rebalance_timeout_ms, 0) : request.session_timeout_ms);
  join.protocol_type = std::string(request.protocol_type);
  for (const auto& protocol : request.protocols) {
    join.protocols.push_back({std::string(protocol.name), std::string(protocol.metadata)});
  }
  join.reserve_member_id = version >= 4;
  join.may_skip_assignment = version >= 9;
  std::string group(request.group_id);
  call.service.broker().at(group, [group, join = std::move(join), reply = call.reply,
                                   home = call.service.home()](broker::Broker& owner) mutable {
    owner.groups().join(group, std::move(join), [&owner, home, reply](model::JoinReply answer) {
      back_home(owner, home, [reply, answer = std::move(answer)]() mutable {
        reply.send(join_response(std::move(answer)));
      });
    });
  });
}

void handle_sync_group(const Call& call, const wire::SyncGroupRequest& request) {
  std::size_t size = 0;
  for (const auto& assignment : request.assignments) size += assignment.assignment.size();
  if (request.group_id.empty() || size > assignments_size_max) {
    wire::SyncGroupResponse response;
    response.error_code = wire_code(request.group_id.empty() ? ErrorCode::invalid_group_id
                                                             : ErrorCode::invalid_request);
    call.reply.send(response);
    return;
  }
  // From version 5 on a member says which protocol it takes the assignment to be of.
  if (call.header.version >= 5 && !(request.protocol_type && request.protocol_name)) {
    wire::SyncGroupResponse response;
    response.error_code = wire_code(ErrorCode::inconsistent_group_protocol);
    call.reply.send(response);
    return;
  }
  model::SyncRequest sync;
  sync.member_id = std::string(request.member_id);
  sync.instance_id = owned(request.group_instance_id);
  sync.generation = request.generation_id;
  sync.protocol_type = owned(request.protocol_type);
  sync.protocol_name = owned(request.protocol_name);
  for (const auto& assignment : request.assignments) {
    sync.assignments.emplace_back(assignment.member_id, assignment.assignment);
  }
  std::string group(request.group_id);
  call.service.broker().at(group, [group, sync = std::move(sync), reply = call.reply,
                                   home = call.service.home()](broker::Broker& owner) mutable {
    owner.groups().sync(group, std::move(sync), [&owner, home, reply](model::SyncReply answer) {
      back_home(owner, home, [reply, answer = std::move(answer)]() mutable {
        reply.send(sync_response(std::move(answer)));
      });
    });
  });
}

void handle_heartbeat(const Call& call, const wire::HeartbeatRequest& request) {
  if (request.group_id.empty()) {
    wire::HeartbeatResponse response;
    response.error_code = wire_code(ErrorCode::invalid_group_id);
    call.reply.send(response);
    return;
  }
  std::string group(request.group_id);
  model::GroupMemberName member{std::string(request.member_id), owned(request.group_instance_id)};
  call.service.broker().at(
      group, [group, member = std::move(member), generation = request.generation_id,
              reply = call.reply, home = call.service.home()](broker::Broker& owner) {
        model::GroupError error = owner.groups().heartbeat(group, member, generation);
        back_home(owner, home, [reply, error] {
          wire::HeartbeatResponse response;
          response.error_code = wire_code(error_code(error));
          reply.send(response);
        });
      });
}

void handle_leave_group(const Call& call, const wire::LeaveGroupRequest& request) {
  if (request.group_id.empty()) {
    wire::LeaveGroupResponse response;
    response.error_code = wire_code(ErrorCode::invalid_group_id);
    call.reply.send(response);
    return;
  }
  std::vector<model::GroupMemberName> members;
  if (call.header.version < 3) {
    members.push_back({std::string(request.member_id), std::nullopt});
  }
  for (const auto& member : request.members) {
    members.push_back({std::string(member.member_id), owned(member.group_instance_id)});
  }
  std::string group(request.group_id);
  call.service.broker().at(group, [group, members = std::move(members), reply = call.reply,
                                   home = call.service.home()](broker::Broker& owner) {
    std::vector<model::GroupError> errors = owner.groups().leave(group, members);
    back_home(owner, home, [reply, members, errors = std::move(errors)] {
      wire::LeaveGroupResponse response;
      if (reply.version() < 3) {
        response.error_code = wire_code(error_code(errors.front()));
      } else {
        for (std::size_t i = 0; i < members.size(); ++i) {
          response.members.push_back(
              {members[i].member_id, members[i].instance_id, wire_code(error_code(errors[i]))});
        }
      }
      reply.send(response);
    });
  });
}

}  // namespace trv::kafka
