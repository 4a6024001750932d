// Looking at consumer groups and deleting them: DescribeGroups, ListGroups, DeleteGroups.
#include <algorithm>
#include <cctype>

#include "base/sort_unique.h"
#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

using DescribeAnswer = Gathering<wire::DescribeGroupsResponse>;
using DescribedGroup = wire::DescribeGroupsResponse::Group;
using DeleteAnswer = Gathering<wire::DeleteGroupsResponse>;

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string_view type_of(const broker::Groups::Listed& group) {
  switch (group.kind) {
    case broker::Groups::Listed::Kind::classic:
      return "classic";
    case broker::Groups::Listed::Kind::consumer:
      return "consumer";
    case broker::Groups::Listed::Kind::share:
      return "share";
  }
  return "";
}

bool allows(const std::vector<std::string>& filter, std::string_view value) {
  return filter.empty() ||
         std::any_of(filter.begin(), filter.end(),
                     [value](const std::string& wanted) { return same_word(wanted, value); });
}

struct Terms {
  std::int16_t version = 0;
  bool operations = false;
};

DescribedGroup describe(broker::Broker& owner, const std::string& name, Terms terms) {
  DescribedGroup group;
  group.group_id = name;
  if (terms.operations) group.authorized_operations = group_operations;
  std::optional<model::GroupDescription> found = owner.groups().describe(name);
  if (!found) {
    // Before version 6 a group that does not exist is one that is dead.
    group.state = "Dead";
    if (terms.version >= 6) {
      group.authorized_operations = DescribedGroup().authorized_operations;
      group.error_code = wire_code(ErrorCode::group_id_not_found);
      bool other =
          owner.groups().consumers().find(name) != nullptr || owner.groups().shares().exists(name);
      group.error_message = "Group " + name + (other ? " is not a classic group." : " not found.");
    }
    return group;
  }
  group.state = std::string(found->state);
  group.protocol_type = std::move(found->protocol_type);
  group.protocol_name = std::move(found->protocol_name);
  for (model::GroupDescription::Member& member : found->members) {
    group.members.push_back({std::move(member.member_id), std::move(member.instance_id),
                             std::move(member.client_id), std::move(member.client_host),
                             std::move(member.metadata), std::move(member.assignment)});
  }
  return group;
}

ErrorCode delete_error(Errc code) {
  if (code == Errc::not_found) return ErrorCode::group_id_not_found;
  if (code == Errc::in_use) return ErrorCode::non_empty_group;
  return ErrorCode::coordinator_not_available;
}

}  // namespace

void handle_describe_groups(const Call& call, const wire::DescribeGroupsRequest& request) {
  auto answer = gather_answer<wire::DescribeGroupsResponse>(call.reply);
  CoreIndex home = call.service.home();
  Terms terms{call.header.version, request.include_authorized_operations};
  for (ByteView id : request.groups) {
    answer->expect();
    std::string name(id);
    call.service.broker().at(id, [answer, home, name, terms](broker::Broker& owner) mutable {
      DescribedGroup described = describe(owner, name, terms);
      back_home(owner, home, [answer = std::move(answer), group = std::move(described)]() mutable {
        answer->response.groups.push_back(std::move(group));
        answer->done();
      });
    });
  }
  answer->done();
}

void handle_list_groups(const Call& call, const wire::ListGroupsRequest& request) {
  std::vector<std::string> states(request.states_filter.begin(), request.states_filter.end());
  std::vector<std::string> types(request.types_filter.begin(), request.types_filter.end());
  call.service.broker().gather(
      [](broker::Broker& owner) { return owner.groups().list(); },
      [reply = call.reply, states = std::move(states),
       types = std::move(types)](std::vector<std::vector<broker::Groups::Listed>> by_core) {
        wire::ListGroupsResponse response;
        for (auto& groups : by_core) {
          for (broker::Groups::Listed& group : groups) {
            std::string_view type = type_of(group);
            if (!allows(states, group.state) || !allows(types, type)) continue;
            response.groups.push_back({std::move(group.group), std::move(group.protocol_type),
                                       std::move(group.state), std::string(type)});
          }
        }
        reply.send(response);
      });
}

void handle_delete_groups(const Call& call, const wire::DeleteGroupsRequest& request) {
  auto answer = gather_answer<wire::DeleteGroupsResponse>(call.reply);
  CoreIndex home = call.service.home();
  std::vector<ByteView> ids = request.groups;
  sort_unique(ids);
  for (ByteView id : ids) {
    answer->expect();
    std::string name(id);
    call.service.broker().at(id, [answer, home, name](broker::Broker& owner) mutable {
      auto finish = [&owner, home, answer = std::move(answer), name](ErrorCode code) {
        back_home(owner, home, [answer, name, code] {
          answer->response.results.push_back({name, wire_code(code)});
          answer->done();
        });
      };
      if (owner.groups().shares().exists(name)) {
        return owner.groups().shares().remove(name, [finish](Status removed) {
          finish(removed ? ErrorCode::none : delete_error(removed.error().code));
        });
      }
      Result<broker::Commit> removed = owner.groups().remove(name);
      if (!removed) return finish(delete_error(removed.error().code));
      owner.when_durable(*removed, [finish](Result<broker::Durable> result) {
        finish(result ? ErrorCode::none : delete_error(result.error().code));
      });
    });
  }
  answer->done();
}

}  // namespace trv::kafka
