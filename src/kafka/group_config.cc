#include "kafka/group_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace trv::kafka {
namespace {

constexpr std::string_view start_name = "share.auto.offset.reset";
constexpr std::string_view lock_name = "share.record.lock.duration.ms";
constexpr std::string_view interval_name = "share.heartbeat.interval.ms";
constexpr std::string_view session_name = "share.session.timeout.ms";
constexpr std::string_view isolation_name = "share.isolation.level";
constexpr std::string_view renew_name = "share.renew.acknowledge.enable";
constexpr std::string_view committed = "read_committed";
constexpr std::string_view since_prefix = "by_duration:";

// In the order of their names. The limits are what Kafka's brokers allow when nothing is said.
constexpr std::array configs{
    GroupConfig{start_name, ConfigType::string, "latest"},
    GroupConfig{interval_name, ConfigType::int32, "5000", 5'000, 15'000},
    GroupConfig{isolation_name, ConfigType::string, "read_uncommitted"},
    GroupConfig{lock_name, ConfigType::int32, "30000", 15'000, 60'000},
    GroupConfig{renew_name, ConfigType::boolean, "true"},
    GroupConfig{session_name, ConfigType::int32, "45000", 45'000, 60'000},
};

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes "3H" and the like off the front; false when there is none of that unit.
bool take_part(std::string_view& text, char unit, std::int64_t unit_ms, std::int64_t& total) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits >= text.size() || text[digits] != unit) return true;
  std::optional<std::int64_t> count = number(text.substr(0, digits));
  constexpr std::int64_t total_max = std::numeric_limits<std::int64_t>::max() / 4;
  if (!count || *count > total_max / unit_ms) return false;
  total += *count * unit_ms;
  text.remove_prefix(digits + 1);
  return total <= total_max;
}

// ISO 8601, as P1DT2H3M4S, in whole seconds. Milliseconds.
std::optional<std::int64_t> duration(std::string_view text) {
  if (!text.starts_with('P') || text.size() < 3) return std::nullopt;
  text.remove_prefix(1);
  std::int64_t total = 0;
  if (!take_part(text, 'D', 86'400'000, total)) return std::nullopt;
  if (text.empty()) return total;
  if (!text.starts_with('T') || text.size() < 3) return std::nullopt;
  text.remove_prefix(1);
  if (!take_part(text, 'H', 3'600'000, total) || !take_part(text, 'M', 60'000, total) ||
      !take_part(text, 'S', 1'000, total) || !text.empty()) {
    return std::nullopt;
  }
  return total;
}

std::optional<broker::ShareStart> start_of(std::string_view text) {
  using From = broker::ShareStart::From;
  if (text == "latest") return broker::ShareStart{From::end, 0};
  if (text == "earliest") return broker::ShareStart{From::beginning, 0};
  if (!text.starts_with(since_prefix)) return std::nullopt;
  std::optional<std::int64_t> ago = duration(text.substr(since_prefix.size()));
  if (!ago) return std::nullopt;
  return broker::ShareStart{From::time, *ago};
}

// As Kafka reads it, in any case.
std::optional<bool> truth(std::string_view text) {
  auto is = [text](std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    });
  };
  if (is("true")) return true;
  if (is("false")) return false;
  return std::nullopt;
}

bool is_good(const GroupConfig& config, std::string_view value) {
  if (config.name == start_name) return start_of(value).has_value();
  if (config.name == isolation_name) return value == config.default_value || value == committed;
  if (config.type == ConfigType::boolean) return truth(value).has_value();
  std::optional<std::int64_t> given = number(value);
  return given && *given >= config.min && *given <= config.max;
}

std::string_view value_of(const model::ShareGroupRecords::Settings& settings,
                          std::string_view name) {
  auto given = settings.find(name);
  return given == settings.end() ? find_group_config(name)->default_value
                                 : std::string_view(given->second);
}

std::chrono::milliseconds time_of(const model::ShareGroupRecords::Settings& settings,
                                  std::string_view name) {
  return std::chrono::milliseconds(number(value_of(settings, name)).value_or(0));
}

}  // namespace

std::span<const GroupConfig> group_configs() { return configs; }

const GroupConfig* find_group_config(std::string_view name) {
  auto it = std::find_if(configs.begin(), configs.end(),
                         [name](const GroupConfig& config) { return config.name == name; });
  return it == configs.end() ? nullptr : &*it;
}

Status check_group_config(std::string_view name, std::string_view value) {
  const GroupConfig* config = find_group_config(name);
  if (config == nullptr) {
    return Error{Errc::invalid_argument, "Unknown group config name: " + std::string(name)};
  }
  if (!is_good(*config, value)) {
    return Error{Errc::invalid_argument,
                 "Invalid value " + std::string(value) + " for configuration " + std::string(name)};
  }
  return {};
}

ShareTerms share_terms(const model::ShareGroupRecords::Settings& settings) {
  const bool commits = value_of(settings, isolation_name) == committed;
  return {start_of(value_of(settings, start_name)).value_or(broker::ShareStart{}),
          commits ? broker::Isolation::committed : broker::Isolation::uncommitted,
          truth(value_of(settings, renew_name)).value_or(true),
          time_of(settings, lock_name),
          time_of(settings, interval_name),
          time_of(settings, session_name)};
}

}  // namespace trv::kafka
