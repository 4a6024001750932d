// AlterConfigs and IncrementalAlterConfigs: changing the settings of topics and groups. Settings of
// the broker are set when it starts, and no other kind of resource has any here.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

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

enum class Operation : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

struct Change {
  std::string name;
  Operation operation = Operation::set;
  std::optional<std::string> value;
};

struct Asked {
  std::int8_t type = 0;
  std::string name;
  std::vector<Change> changes;
  bool replaces = false;  // what is not named goes back to its default
  bool validate_only = false;
};

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::optional<std::string> message;
};

// --- the values of a topic ----------------------------------------------------------------------

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    std::size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

// `present` with what the change adds, or without what it takes away.
std::string changed_list(const std::string& present, const Change& change) {
  std::vector<std::string> items = split_list(present);
  for (const std::string& item : split_list(*change.value)) {
    auto it = std::find(items.begin(), items.end(), item);
    if (change.operation == Operation::subtract) {
      if (it != items.end()) items.erase(it);
    } else if (it == items.end()) {
      items.push_back(item);
    }
  }
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

Refusal apply_change(model::TopicSettings& settings, const Change& change) {
  const TopicConfig* config = find_topic_config(change.name);
  if (change.operation == Operation::remove) {
    // Taking away what was never given changes nothing, whatever its name.
    if (config != nullptr) clear_topic_config(settings, *config);
    return {};
  }
  std::string value = *change.value;
  if (change.operation != Operation::set && config != nullptr) {
    if (config->type != ConfigType::list) {
      const char* word = change.operation == Operation::append ? "APPEND" : "SUBTRACT";
      return {ErrorCode::invalid_config, std::string("Can't ") + word + " to key " + change.name +
                                             " because its type is not LIST."};
    }
    value = changed_list(topic_config_value(settings, *config).value, change);
  }
  Status applied = apply_topic_config(settings, change.name, value);
  if (!applied) return {ErrorCode::invalid_config, applied.error().message};
  return {};
}

Refusal apply_changes(model::TopicSettings& settings, const Asked& asked) {
  if (asked.replaces) {
    for (const TopicConfig& config : topic_configs()) clear_topic_config(settings, config);
  }
  for (const Change& change : asked.changes) {
    Refusal refusal = apply_change(settings, change);
    if (refusal.code != ErrorCode::none) return refusal;
  }
  if (Status together = check_topic_settings(settings); !together) {
    return {ErrorCode::invalid_config, together.error().message};
  }
  return {};
}

// --- checks before any topic is looked at -------------------------------------------------------

Refusal check_changes(const Asked& asked) {
  std::set<std::string_view> seen;
  for (const Change& change : asked.changes) {
    if (!seen.insert(change.name).second) {
      return {ErrorCode::invalid_request, "Error due to duplicate config keys"};
    }
  }
  for (const Change& change : asked.changes) {
    if (change.operation < Operation::set || change.operation > Operation::subtract) {
      return {ErrorCode::invalid_request, "Unknown operation on " + change.name};
    }
    if (change.operation != Operation::remove && !change.value) {
      return {ErrorCode::invalid_request, "Null value not supported for : " + change.name};
    }
  }
  return {};
}

Refusal check_broker(const Asked& asked, std::int32_t node_id) {
  // An empty name stands for all brokers.
  if (!asked.name.empty()) {
    std::int32_t id = 0;
    const char* end = asked.name.data() + asked.name.size();
    auto parsed = std::from_chars(asked.name.data(), end, id);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      return {ErrorCode::invalid_request, "Node id must be an integer, but it is: " + asked.name};
    }
    if (id != node_id) {
      return {ErrorCode::invalid_request, "Unexpected broker id, expected " +
                                              std::to_string(node_id) + ", but received " +
                                              asked.name};
    }
  }
  if (asked.changes.empty()) return {};
  std::string names;
  for (const Change& change : asked.changes) names += (names.empty() ? "" : ", ") + change.name;
  return {ErrorCode::invalid_request,
          "Cannot update these configs dynamically: Set(" + names + ")"};
}

// What can be said without the topic: everything, but for topics whose changes are in order.
Refusal check_resource(const Asked& asked, std::int32_t node_id) {
  Refusal refusal = check_changes(asked);
  if (refusal.code != ErrorCode::none) return refusal;
  switch (asked.type) {
    case config_resource::topic:
      if (asked.name.empty()) {
        return {ErrorCode::invalid_request, "Default topic resources are not allowed."};
      }
      if (!valid_topic_name(asked.name)) {
        return {ErrorCode::invalid_topic, "Topic name is invalid: '" + asked.name +
                                              "' contains one or more characters other than ASCII "
                                              "alphanumerics, '.', '_' and '-'"};
      }
      return {};
    case config_resource::broker:
      return check_broker(asked, node_id);
    case config_resource::group:
      if (asked.name.empty()) {
        return {ErrorCode::invalid_request, "Default group resources are not allowed."};
      }
      return {};
    case config_resource::broker_logger:
    case config_resource::client_metrics:
      return {ErrorCode::invalid_request,
              "Settings of this kind of resource cannot be changed here."};
    default:
      return {ErrorCode::invalid_request, "Unknown resource type " + std::to_string(asked.type)};
  }
}

// --- changing -----------------------------------------------------------------------------------

// On the owner's core. `done` runs there.
void alter_topic(broker::Broker& owner, const Asked& asked, UniqueFunction<void(Refusal)> done) {
  broker::Topic* topic = owner.topics().find(asked.name);
  model::TopicSettings settings;
  if (topic != nullptr) settings = broker::Topics::settings(*topic);
  Refusal refusal = apply_changes(settings, asked);
  if (refusal.code != ErrorCode::none) return done(std::move(refusal));
  if (topic == nullptr) {
    return done(
        {ErrorCode::unknown_topic_or_partition, "The topic '" + asked.name + "' does not exist."});
  }
  if (asked.validate_only) return done({});
  Result<broker::Commit> changed = owner.topics().change_settings(*topic, settings);
  if (!changed) return done({error_code(changed.error().code), changed.error().message});
  owner.when_durable(*changed, [done = std::move(done)](Result<broker::Durable> result) mutable {
    if (result) return done({});
    done({error_code(result.error().code), result.error().message});
  });
}

using GroupSettings = model::ShareGroupRecords::Settings;

Refusal apply_changes(GroupSettings& settings, const Asked& asked) {
  if (asked.replaces) settings.clear();
  for (const Change& change : asked.changes) {
    if (change.operation == Operation::remove) {
      settings.erase(change.name);
      continue;
    }
    if (change.operation != Operation::set && find_group_config(change.name) != nullptr) {
      return {ErrorCode::invalid_config, change.name + " is not a list."};
    }
    Status good = check_group_config(change.name, *change.value);
    if (!good) return {ErrorCode::invalid_config, good.error().message};
    settings.insert_or_assign(change.name, *change.value);
  }
  return {};
}

// On the owner's core. `done` runs there.
void alter_group(broker::Broker& owner, const Asked& asked, UniqueFunction<void(Refusal)> done) {
  broker::ShareGroups& shares = owner.groups().shares();
  GroupSettings settings = shares.settings(asked.name);
  Refusal refusal = apply_changes(settings, asked);
  if (refusal.code != ErrorCode::none || asked.validate_only) return done(std::move(refusal));
  Result<broker::Commit> set = shares.set_settings(asked.name, settings);
  if (!set) return done({error_code(set.error().code), set.error().message});
  owner.when_durable(*set, [done = std::move(done)](Result<broker::Durable> result) mutable {
    if (result) return done({});
    done({error_code(result.error().code), result.error().message});
  });
}

template <class Response>
void alter_all(const Call& call, std::vector<Asked> resources) {
  auto answer = gather_answer<Response>(call.reply);
  answer->response.results.resize(resources.size());
  std::map<std::pair<std::int8_t, std::string>, int> times_named;
  for (const Asked& asked : resources) ++times_named[{asked.type, asked.name}];
  for (std::size_t place = 0; place < resources.size(); ++place) {
    Asked& asked = resources[place];
    auto finish = [answer, place, type = asked.type, name = asked.name](Refusal refusal) {
      answer->response.results[place] = {wire_code(refusal.code), std::move(refusal.message), type,
                                         name};
      answer->done();
    };
    answer->expect();
    if (times_named[{asked.type, asked.name}] > 1) {
      finish({ErrorCode::invalid_request, "Each resource must appear at most once."});
      continue;
    }
    Refusal refusal = check_resource(asked, call.service.options().node_id);
    if (refusal.code != ErrorCode::none ||
        (asked.type != config_resource::topic && asked.type != config_resource::group)) {
      finish(std::move(refusal));
      continue;
    }
    std::string name = asked.name;
    call.service.broker().at(name, [finish, asked = std::move(asked),
                                    home = call.service.home()](broker::Broker& owner) mutable {
      auto* alter = asked.type == config_resource::topic ? alter_topic : alter_group;
      alter(owner, asked, [finish = std::move(finish), home, &owner](Refusal outcome) mutable {
        back_home(owner, home,
                  [finish = std::move(finish), outcome = std::move(outcome)]() mutable {
                    finish(std::move(outcome));
                  });
      });
    });
  }
  answer->done();
}

std::optional<std::string> owned(const std::optional<ByteView>& text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

}  // namespace

void handle_alter_configs(const Call& call, const wire::AlterConfigsRequest& request) {
  std::vector<Asked> resources;
  for (const auto& resource : request.resources) {
    Asked& asked = resources.emplace_back();
    asked.type = resource.type;
    asked.name = std::string(resource.name);
    asked.replaces = true;
    asked.validate_only = request.validate_only;
    for (const auto& config : resource.configs) {
      asked.changes.push_back({std::string(config.name), Operation::set, owned(config.value)});
    }
  }
  alter_all<wire::AlterConfigsResponse>(call, std::move(resources));
}

void handle_incremental_alter_configs(const Call& call,
                                      const wire::IncrementalAlterConfigsRequest& request) {
  std::vector<Asked> resources;
  for (const auto& resource : request.resources) {
    Asked& asked = resources.emplace_back();
    asked.type = resource.type;
    asked.name = std::string(resource.name);
    asked.validate_only = request.validate_only;
    for (const auto& config : resource.configs) {
      asked.changes.push_back({std::string(config.name), static_cast<Operation>(config.operation),
                               owned(config.value)});
    }
  }
  alter_all<wire::IncrementalAlterConfigsResponse>(call, std::move(resources));
}

}  // namespace trv::kafka
