#include "kafka/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace trv::kafka {
namespace {

constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view int64_max_text = "9223372036854775807";
constexpr std::string_view gzip_level = "compression.gzip.level";
constexpr std::string_view lz4_level = "compression.lz4.level";
constexpr std::string_view zstd_level = "compression.zstd.level";
constexpr std::string_view as_produced = "producer";

constexpr TopicConfig number32(std::string_view name, std::string_view value, std::int64_t min) {
  return {name, ConfigType::int32, value, min, int32_max};
}
constexpr TopicConfig number64(std::string_view name, std::string_view value, std::int64_t min) {
  return {name, ConfigType::int64, value, min, int64_max};
}
// Limits that are not enforced here may only be set to "no limit".
constexpr TopicConfig unlimited64(std::string_view name) {
  return {name, ConfigType::int64, int64_max_text, int64_max, int64_max, {}, true};
}
constexpr TopicConfig boolean(std::string_view name, std::string_view value) {
  return {name, ConfigType::boolean, value, 0, 0, "true|false"};
}
constexpr TopicConfig word(std::string_view name, std::string_view value, std::string_view words) {
  return {name, ConfigType::string, value, 0, 0, words};
}

// In the order of their names.
constexpr std::array configs{
    TopicConfig{"cleanup.policy", ConfigType::list, "delete", 0, 0, "compact|delete"},
    TopicConfig{gzip_level, ConfigType::int32, "-1", -1, 9},
    TopicConfig{lz4_level, ConfigType::int32, "9", 1, 17},
    word("compression.type", as_produced, "uncompressed|zstd|lz4|snappy|gzip|producer"),
    TopicConfig{zstd_level, ConfigType::int32, "3", -131'072, 22},
    number64("delete.retention.ms", "86400000", 0),
    number64("file.delete.delay.ms", "60000", 0),
    number64("flush.messages", int64_max_text, 1),
    number64("flush.ms", int64_max_text, 0),
    number32("index.interval.bytes", "4096", 0),
    number64("max.compaction.lag.ms", int64_max_text, 1),
    number32("max.message.bytes", "1048588", 0),
    boolean("message.downconversion.enable", "true"),
    word("message.format.version", "3.0-IV1",
         "0.8.0|0.8.1|0.8.2|0.9.0|0.10.0|0.10.1|0.10.2|0.11.0|1.0|1.1|2.0|2.1|2.2|2.3|2.4|2.5|2.6|"
         "2.7|2.8|3.0|3.0-IV1"),
    // The one limit on timestamps that there is, the same for all topics.
    TopicConfig{"message.timestamp.after.max.ms",
                ConfigType::int64,
                "3600000",
                3'600'000,
                3'600'000,
                {},
                true},
    unlimited64("message.timestamp.before.max.ms"),
    unlimited64("message.timestamp.difference.max.ms"),
    word("message.timestamp.type", "CreateTime", "CreateTime|LogAppendTime"),
    TopicConfig{"min.cleanable.dirty.ratio", ConfigType::real, "0.5"},
    number64("min.compaction.lag.ms", "0", 0),
    number32("min.insync.replicas", "1", 1),
    boolean("preallocate", "false"),
    TopicConfig{"remote.storage.enable", ConfigType::boolean, "false", 0, 0, "false", true},
    number64("retention.bytes", "-1", -1),
    number64("retention.ms", "-1", -1),
    number32("segment.bytes", "1073741824", 14),
    number32("segment.index.bytes", "10485760", 4),
    number64("segment.jitter.ms", "0", 0),
    number64("segment.ms", "604800000", 1),
    boolean("unclean.leader.election.enable", "false"),
};

static_assert(std::is_sorted(configs.begin(), configs.end(),
                             [](const TopicConfig& a, const TopicConfig& b) {
                               return a.name < b.name;
                             }));

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool contains_word(std::string_view words, std::string_view word_wanted) {
  while (!words.empty()) {
    std::size_t bar = std::min(words.find('|'), words.size());
    if (words.substr(0, bar) == word_wanted) return true;
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
  return false;
}

template <class Number>
bool parse_whole(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// What is wrong with a value, in Kafka's words; empty: nothing.
using Complaint = std::string;

Complaint check_number(const TopicConfig& config, std::string_view value, std::int64_t& number) {
  const bool is_short = config.type == ConfigType::int32;
  const bool parsed = parse_whole(value, number);
  if (!parsed || (is_short && (number > int32_max || number < -int32_max - 1))) {
    return std::string("Not a number of type ") + (is_short ? "INT" : "LONG");
  }
  if (config.name == gzip_level && (number < config.min || number > config.max || number == 0)) {
    return "Value must be between 1 and 9 or equal to -1";
  }
  if (number < config.min) return "Value must be at least " + std::to_string(config.min);
  if (number > config.max) return "Value must be no more than " + std::to_string(config.max);
  return {};
}

// min.cleanable.dirty.ratio is the only one: between 0 and 1.
Complaint check_real(std::string_view value) {
  double number = 0;
  if (!parse_whole(value, number)) return "Not a number of type DOUBLE";
  if (number < 0) return "Value must be at least 0";
  return number <= 1 ? "" : "Value must be no more than 1";
}

Complaint check_word(const TopicConfig& config, std::string_view value) {
  if (contains_word(config.words, value)) return {};
  if (config.type == ConfigType::boolean) return "Expected value to be either true or false";
  std::string words;
  for (char c : config.words) c == '|' ? words += ", " : words += c;
  return "String must be one of: " + words;
}

Complaint check_list(const TopicConfig& config, std::string_view value) {
  if (value.empty()) return check_word(config, value);
  while (!value.empty()) {
    std::size_t comma = std::min(value.find(','), value.size());
    Complaint complaint = check_word(config, trimmed(value.substr(0, comma)));
    if (!complaint.empty()) return complaint;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return {};
}

Complaint check_value(const TopicConfig& config, std::string_view value, std::int64_t& number) {
  switch (config.type) {
    case ConfigType::boolean:
    case ConfigType::string:
      return check_word(config, value);
    case ConfigType::int32:
    case ConfigType::int64:
      return check_number(config, value, number);
    case ConfigType::real:
      return check_real(value);
    case ConfigType::list:
      return check_list(config, value);
  }
  return "unknown type";
}

std::optional<model::Compression> codec_of(std::string_view word) {
  if (word == "uncompressed") return model::Compression::none;
  if (word == "gzip") return model::Compression::gzip;
  if (word == "snappy") return model::Compression::snappy;
  if (word == "lz4") return model::Compression::lz4;
  if (word == "zstd") return model::Compression::zstd;
  return std::nullopt;  // as it was produced
}

void apply_recompression(model::Recompression& recompression, const TopicConfig& config,
                         std::string_view text, std::int64_t number) {
  if (config.name == "compression.type") recompression.codec = codec_of(text);
  auto set_level = [&](std::string_view name, model::Compression codec) {
    if (config.name != name) return;
    // Kafka's default of lz4 means its fast compressor, which has no levels.
    recompression.levels.erase(codec);
    if (text != config.default_value) {
      recompression.levels[codec] = static_cast<std::int32_t>(number);
    }
  };
  set_level(gzip_level, model::Compression::gzip);
  set_level(lz4_level, model::Compression::lz4);
  set_level(zstd_level, model::Compression::zstd);
}

void apply_cleaning(model::Cleaning& cleaning, std::string_view name, std::string_view text,
                    std::int64_t number) {
  constexpr double millionths = 1e6;
  if (name == "cleanup.policy") {
    cleaning.on = text.find("compact") != text.npos;
    cleaning.retention_off = cleaning.on && text.find("delete") == text.npos;
  }
  if (name == "min.cleanable.dirty.ratio") {
    double ratio = 0;
    std::from_chars(text.data(), text.data() + text.size(), ratio);
    cleaning.dirty_millionths = static_cast<std::int32_t>(ratio * millionths);
  }
  if (name == "min.compaction.lag.ms") cleaning.lag_min_ms = number;
  if (name == "max.compaction.lag.ms") cleaning.lag_max_ms = number == int64_max ? -1 : number;
  if (name == "delete.retention.ms") cleaning.tombstone_ms = number;
}

}  // namespace

std::span<const TopicConfig> topic_configs() { return configs; }

const TopicConfig* find_topic_config(std::string_view name) {
  auto it = std::lower_bound(configs.begin(), configs.end(), name,
                             [](const TopicConfig& c, std::string_view n) { return c.name < n; });
  return it == configs.end() || it->name != name ? nullptr : &*it;
}

Status apply_topic_config(model::TopicSettings& settings, std::string_view name,
                          std::optional<std::string_view> value) {
  const TopicConfig* config = find_topic_config(name);
  if (config == nullptr) {
    return Error{Errc::invalid_argument, "Unknown topic config name: " + std::string(name)};
  }
  if (!value) {
    return Error{Errc::invalid_argument,
                 "Null value not supported for topic config: " + std::string(name)};
  }
  std::int64_t number = 0;
  std::string_view text = trimmed(*value);
  Complaint complaint = check_value(*config, text, number);
  if (!complaint.empty()) {
    if (config->partly) complaint = "This broker has no other value than the default";
    return Error{Errc::invalid_argument, "Invalid value " + std::string(text) +
                                             " for configuration " + std::string(name) + ": " +
                                             complaint};
  }
  if (name == "retention.ms") settings.retention_ms = number;
  if (name == "retention.bytes") settings.retention_bytes = number;
  if (name == "max.message.bytes") settings.batch_size_max = static_cast<std::int32_t>(number);
  if (name == "message.timestamp.type") settings.append_time = text == "LogAppendTime";
  apply_cleaning(settings.cleaning, name, text, number);
  apply_recompression(settings.recompression, *config, text, number);
  auto it = std::find_if(settings.given.begin(), settings.given.end(),
                         [&](const auto& entry) { return entry.first == name; });
  if (it == settings.given.end()) {
    settings.given.emplace_back(name, text);
  } else {
    it->second = text;
  }
  return {};
}

// A record may not be both too young and too old.
Status check_topic_settings(const model::TopicSettings& settings) {
  const model::Cleaning& cleaning = settings.cleaning;
  if (cleaning.lag_max_ms < 0 || cleaning.lag_min_ms <= cleaning.lag_max_ms) return {};
  return Error{Errc::invalid_argument, "conflict topic config setting min.compaction.lag.ms (" +
                                           std::to_string(cleaning.lag_min_ms) +
                                           ") > max.compaction.lag.ms (" +
                                           std::to_string(cleaning.lag_max_ms) + ")"};
}

void clear_topic_config(model::TopicSettings& settings, const TopicConfig& config) {
  Status applied = apply_topic_config(settings, config.name, config.default_value);
  TRV_ASSERT(applied);
  std::erase_if(settings.given, [&](const auto& entry) { return entry.first == config.name; });
}

ConfigValue topic_config_value(const model::TopicSettings& settings, const TopicConfig& config) {
  for (const auto& [name, value] : settings.given) {
    if (name == config.name) return {value, true};
  }
  // What another protocol has set counts as given, too.
  if (config.name == "retention.ms" && settings.retention_ms >= 0) {
    return {std::to_string(settings.retention_ms), true};
  }
  if (config.name == "retention.bytes" && settings.retention_bytes >= 0) {
    return {std::to_string(settings.retention_bytes), true};
  }
  if (config.name == "message.timestamp.type" && settings.append_time) {
    return {"LogAppendTime", true};
  }
  return {std::string(config.default_value), false};
}

}  // namespace trv::kafka
