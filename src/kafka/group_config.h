// Settings of single groups under Kafka's names: those of share groups, which is all that there
// are. README.md tells what each one does here.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "broker/share_cursors.h"
#include "kafka/topic_config.h"
#include "model/share_group.h"

namespace trv::kafka {

struct GroupConfig {
  std::string_view name;
  ConfigType type;
  std::string_view default_value;
  // Of numbers.
  std::int64_t min = 0;
  std::int64_t max = 0;
};

std::span<const GroupConfig> group_configs();
// Null when unknown.
const GroupConfig* find_group_config(std::string_view name);

// Errors: invalid_argument (unknown name, bad value); the message is for the client.
Status check_group_config(std::string_view name, std::string_view value);

// What the settings of a group come to.
struct ShareTerms {
  broker::ShareStart start;
  broker::Isolation isolation;
  bool renews;  // members may renew their locks
  std::chrono::milliseconds lock;
  std::chrono::milliseconds heartbeat_interval;
  std::chrono::milliseconds session_timeout;
};
// Requires: each was checked.
ShareTerms share_terms(const model::ShareGroupRecords::Settings& settings);

}  // namespace trv::kafka
