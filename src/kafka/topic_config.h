// Topic settings under Kafka's names: which are known, what they may be, what they are when not
// given, and how they become model::TopicSettings. README.md tells what each one does here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/topic.h"

namespace trv::kafka {

// Kafka's numbers for the types of settings.
enum class ConfigType : std::int8_t {
  boolean = 1,
  string = 2,
  int32 = 3,
  int64 = 5,
  real = 6,
  list = 7
};

struct TopicConfig {
  std::string_view name;
  ConfigType type;
  std::string_view default_value;
  // Numbers: least and largest value. Others: the words that are allowed, separated by '|'.
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view words = {};
  // Kafka takes more values than can be kept here.
  bool partly = false;
};

std::span<const TopicConfig> topic_configs();
const TopicConfig* find_topic_config(std::string_view name);

// Checks one setting and puts it into `settings`.
// Errors: invalid_argument (unknown name, null or bad value); the message is for the client.
Status apply_topic_config(model::TopicSettings& settings, std::string_view name,
                          std::optional<std::string_view> value);

// Whether settings that were put in one by one go together. Errors: invalid_argument.
Status check_topic_settings(const model::TopicSettings& settings);

// Takes a setting back to its default.
void clear_topic_config(model::TopicSettings& settings, const TopicConfig& config);

// The value as it stands, and whether it was given for this topic.
struct ConfigValue {
  std::string value;
  bool given = false;
};
ConfigValue topic_config_value(const model::TopicSettings& settings, const TopicConfig& config);

}  // namespace trv::kafka
