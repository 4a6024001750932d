// ListConfigResources: the names of all that has settings, by kind.
#include <algorithm>
#include <array>

#include "broker/groups.h"
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/config_resource.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

constexpr std::array kinds{config_resource::topic, config_resource::broker,
                           config_resource::broker_logger, config_resource::client_metrics,
                           config_resource::group};
// Before, it could be asked for settings of client metrics only.
constexpr std::int16_t kinds_from_version = 1;

struct Wanted {
  bool topics = false;
  bool groups = false;
};

struct Names {
  std::vector<std::string> topics;
  std::vector<std::string> groups;
};

// Of one core. Groups are those that were given settings, whether there are such groups or not.
Names names_here(broker::Broker& owner, Wanted wanted) {
  Names names;
  if (wanted.topics) {
    for (broker::TopicFacts& facts : owner.topics().list()) {
      if (valid_topic_name(facts.name)) names.topics.push_back(std::move(facts.name));
    }
  }
  if (wanted.groups) names.groups = owner.groups().shares().names_with_settings();
  return names;
}

}  // namespace

void handle_list_config_resources(const Call& call,
                                  const wire::ListConfigResourcesRequest& request) {
  wire::ListConfigResourcesResponse response;
  std::vector<std::int8_t> asked = request.resource_types;
  if (asked.empty()) asked.assign(kinds.begin(), kinds.end());
  // No client metrics are subscribed to here, so there is nothing to list.
  if (call.header.version < kinds_from_version) return call.reply.send(response);
  for (std::int8_t kind : asked) {
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) continue;
    response.error_code = wire_code(ErrorCode::unsupported_version);
    return call.reply.send(response);
  }
  auto wants = [&](std::int8_t kind) {
    return std::find(asked.begin(), asked.end(), kind) != asked.end();
  };
  const std::string node_id = std::to_string(call.service.options().node_id);
  for (std::int8_t kind : {config_resource::broker_logger, config_resource::broker}) {
    if (wants(kind)) response.config_resources.push_back({node_id, kind});
  }
  const Wanted wanted{wants(config_resource::topic), wants(config_resource::group)};
  call.service.broker().gather(
      [wanted](broker::Broker& owner) { return names_here(owner, wanted); },
      [reply = call.reply, response = std::move(response)](std::vector<Names> by_core) mutable {
        for (Names& names : by_core) {
          for (std::string& name : names.topics) {
            response.config_resources.push_back({std::move(name), config_resource::topic});
          }
          for (std::string& name : names.groups) {
            response.config_resources.push_back({std::move(name), config_resource::group});
          }
        }
        reply.send(response);
      });
}

}  // namespace trv::kafka
