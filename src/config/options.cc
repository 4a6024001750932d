#include "config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace trv::config {

namespace {

constexpr std::int64_t port_max = std::numeric_limits<std::uint16_t>::max();
constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr std::int64_t gib = 1024 * mib;

const std::string& text_of(const Value& value) { return std::get<std::string>(value); }
template <class T>
T number_of(const Value& value) {
  return static_cast<T>(std::get<std::int64_t>(value));
}

Durability durability_of(std::string_view name) {
  for (Durability level : {Durability::memory, Durability::os, Durability::interval}) {
    if (name == name_of(level)) return level;
  }
  return Durability::fsync;
}

// The rows, in the order of help and documentation.
constexpr std::array table{
    Option{"data-dir", Kind::text, "trivium-data", 0, 0, "",
           "Directory that holds everything durable; created when it is missing",
           [](Config& c, const Value& v) { c.data_dir = text_of(v); }},
    Option{"bind", Kind::text, "127.0.0.1", 0, 0, "",
           "Address to listen on; 0.0.0.0 for all IPv4 addresses, :: for all",
           [](Config& c, const Value& v) { c.bind = text_of(v); }},
    Option{"amqp-port", Kind::number, "5672", 0, port_max, "",
           "Port for AMQP 0-9-1 clients; 0 picks a free one",
           [](Config& c, const Value& v) { c.amqp_port = number_of<std::uint16_t>(v); }},
    Option{"redis-port", Kind::number, "6379", 0, port_max, "",
           "Port for Redis clients; 0 picks a free one",
           [](Config& c, const Value& v) { c.redis_port = number_of<std::uint16_t>(v); }},
    Option{"kafka-port", Kind::number, "9092", 0, port_max, "",
           "Port for Kafka clients; 0 picks a free one",
           [](Config& c, const Value& v) { c.kafka_port = number_of<std::uint16_t>(v); }},
    Option{"management-port", Kind::number, "15672", 0, port_max, "",
           "Port for the HTTP API, as RabbitMQ's management plugin has it; 0 picks a free one",
           [](Config& c, const Value& v) { c.management_port = number_of<std::uint16_t>(v); }},
    Option{"advertised-host", Kind::text, "", 0, 0, "",
           "Host name that Kafka clients are told to connect to; empty: the address at which each "
           "client came in",
           [](Config& c, const Value& v) { c.advertised_host = text_of(v); }},
    Option{"durability", Kind::choice, "fsync", 0, 0, "fsync|interval|os|memory",
           "What a write waits for before it is acknowledged, where a topic or queue does not say "
           "otherwise: fsync: stable storage; interval: the page cache, synced every "
           "sync-interval-ms; os: the page cache; memory: nothing",
           [](Config& c, const Value& v) { c.durability = durability_of(text_of(v)); }},
    Option{"sync-interval-ms", Kind::number, "100", 1, 60'000, "",
           "How much time of acknowledged writes a power failure may take at durability interval",
           [](Config& c, const Value& v) {
             c.sync_interval = std::chrono::milliseconds(std::get<std::int64_t>(v));
           }},
    Option{"shards", Kind::number, "0", 0, shard_count, "",
           "Number of event loops, one thread each; 0: half of the processors, at most 4",
           [](Config& c, const Value& v) { c.shards = number_of<int>(v); }},
    Option{"segment-size", Kind::size, "64MiB", 4 * mib, gib, "", "Size of a journal file",
           [](Config& c, const Value& v) { c.segment_size = number_of<std::uint32_t>(v); }},
    Option{"message-size-max", Kind::size, "16MiB", kib, 512 * mib, "",
           "Largest message or batch that is accepted",
           [](Config& c, const Value& v) { c.message_size_max = number_of<std::uint32_t>(v); }},
    Option{
        "disk-free-min", Kind::size, "512MiB", 0, 1024 * gib, "",
        "How much of the disk stays free, at least a hundredth: new messages are refused before; "
        "0: none of it",
        [](Config& c, const Value& v) { c.disk_free_min = number_of<std::uint64_t>(v); }},
    Option{"memory-limit", Kind::size, "0", 0, 1024 * gib, "",
           "What connections and unsynced writes may hold in memory: a quarter is for what was "
           "received and not yet used, one for what was not yet sent, one for what was not yet "
           "synced; 0: a quarter of the machine's memory, or of what its control group allows, at "
           "most 2 GiB",
           [](Config& c, const Value& v) { c.memory_limit = number_of<std::uint64_t>(v); }},
    Option{
        "send-timeout-s", Kind::number, "300", 1, 86'400, "",
        "After how many seconds a client that reads nothing of what waits for it is disconnected",
        [](Config& c, const Value& v) {
          c.send_timeout = std::chrono::seconds(std::get<std::int64_t>(v));
        }},
    Option{
        "kafka-topic-partitions", Kind::number, "1", 1, 10'000, "",
        "Number of partitions of topics that Kafka clients create without saying how many",
        [](Config& c, const Value& v) { c.kafka_topic_partitions = number_of<std::int32_t>(v); }},
    Option{"kafka-auto-create-topics", Kind::choice, "on", 0, 0, "on|off",
           "Whether a topic is made when a Kafka client asks where it is and allows that",
           [](Config& c, const Value& v) { c.kafka_auto_create_topics = text_of(v) == "on"; }},
    Option{
        "redis-notify-keyspace-events", Kind::text, "", 0, 0, "",
        "Which changes of keys Redis's subscribers are told of, in Redis's letters, as KEA; empty: "
        "none",
        [](Config& c, const Value& v) { c.redis_key_events = text_of(v); }},
    Option{"kafka-login", Kind::choice, "off", 0, 0, "off|required",
           "Whether Kafka clients must log in (SASL PLAIN) as a user who may everything in /",
           [](Config& c, const Value& v) { c.kafka_login_required = text_of(v) == "required"; }},
    Option{"log-level", Kind::choice, "info", 0, 0, "debug|info|warn|error",
           "What is written to the log on standard error",
           [](Config& c, const Value& v) {
             c.log_level = log::find_level(text_of(v)).value_or(log::Level::info);
           }},
    Option{"ports-file", Kind::text, "", 0, 0, "",
           "File to write the ports to once all are open, as lines like amqp=5672",
           [](Config& c, const Value& v) { c.ports_file = text_of(v); }},
};

bool is_one_of(std::string_view choices, std::string_view text) {
  while (!choices.empty()) {
    std::size_t end = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, end) == text) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

std::string with_unit(std::int64_t bytes) {
  if (bytes >= gib && bytes % gib == 0) return fmt::format("{}GiB", bytes / gib);
  if (bytes >= mib && bytes % mib == 0) return fmt::format("{}MiB", bytes / mib);
  if (bytes >= kib && bytes % kib == 0) return fmt::format("{}KiB", bytes / kib);
  return fmt::format("{}", bytes);
}

// Nothing when it is not a number with a known unit, or too large for any.
std::optional<std::int64_t> parse_number(std::string_view text, bool with_units) {
  std::int64_t number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  std::int64_t factor = 1;
  if (with_units && unit == "KiB") {
    factor = kib;
  } else if (with_units && unit == "MiB") {
    factor = mib;
  } else if (with_units && unit == "GiB") {
    factor = gib;
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(number, factor, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace

std::string_view name_of(Durability durability) {
  switch (durability) {
    case Durability::memory:
      return "memory";
    case Durability::os:
      return "os";
    case Durability::interval:
      return "interval";
    case Durability::fsync:
      return "fsync";
  }
  return "";
}

std::span<const Option> options() { return table; }

const Option* find_option(std::string_view name) {
  auto found = std::find_if(table.begin(), table.end(),
                            [name](const Option& option) { return option.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::string environment_name(std::string_view name) {
  std::string result = "TRIVIUM_";
  for (char c : name) result += c == '-' ? '_' : static_cast<char>(c - 'a' + 'A');
  return result;
}

std::string describe_values(const Option& option) {
  switch (option.kind) {
    case Kind::text:
      return "text";
    case Kind::number:
      return fmt::format("a number from {} to {}", option.least, option.most);
    case Kind::size:
      return fmt::format("a size from {} to {}", with_unit(option.least), with_unit(option.most));
    case Kind::choice: {
      std::string names(option.choices);
      for (std::size_t at = names.find('|'); at != std::string::npos; at = names.find('|', at)) {
        names.replace(at, 1, ", ");
      }
      return "one of " + names;
    }
  }
  return "";
}

Result<Value> parse_value(const Option& option, std::string_view text) {
  Error refusal{Errc::invalid_argument,
                fmt::format("'{}' is not {}", text, describe_values(option))};
  switch (option.kind) {
    case Kind::text:
      return Value(std::string(text));
    case Kind::choice:
      if (!is_one_of(option.choices, text)) return refusal;
      return Value(std::string(text));
    case Kind::number:
    case Kind::size: {
      auto number = parse_number(text, option.kind == Kind::size);
      if (!number || *number < option.least || *number > option.most) return refusal;
      return Value(*number);
    }
  }
  return refusal;
}

std::string options_markdown() {
  std::string page =
      "# Options of `trivium serve`\n\n"
      "Each option can be a flag (`--data-dir DIR`), an environment variable "
      "(`TRIVIUM_DATA_DIR=DIR`) or a key of the TOML file that `--config FILE` or "
      "`TRIVIUM_CONFIG` names (`data-dir = \"DIR\"`). A flag wins over the environment, which wins "
      "over the file. Sizes are bytes, or have a unit: KiB, MiB or GiB.\n\n"
      "This page is made by `trivium help-options --markdown`.\n\n"
      "| option | default | values | meaning |\n|---|---|---|---|\n";
  for (const Option& option : table) {
    std::string shown =
        option.default_value.empty() ? "" : fmt::format("`{}`", option.default_value);
    page += fmt::format("| `{}` | {} | {} | {} |\n", option.name, shown, describe_values(option),
                        option.help);
  }
  return page;
}

}  // namespace trv::config
