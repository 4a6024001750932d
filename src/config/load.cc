// Puts flags, environment, file and defaults together.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>

#include "config/options.h"

namespace trv::config {

namespace {

constexpr std::size_t file_size_max = 1u << 20;
// More cores than this are never chosen by default: see docs/decisions/0005.
constexpr unsigned default_cores_max = 4;
constexpr std::uint64_t default_memory_max = 2ull << 30;
// Less would hold a message or two.
constexpr std::uint64_t memory_least = 64ull << 20;

// A value as text, and where it was found.
struct Found {
  std::string text;
  std::string source;
};
using FoundValues = std::map<std::string, Found, std::less<>>;

Error invalid(const std::string& source, const std::string& what) {
  return {Errc::invalid_argument, source + ": " + what};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    Errc code = errno == ENOENT ? Errc::not_found : Errc::io_error;
    return Error{code, fmt::format("cannot read the configuration file {}: {}", path,
                                   std::generic_category().message(errno))};
  }
  std::string text(file_size_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return Error{Errc::io_error, "cannot read the configuration file " + path};
  if (text.size() > file_size_max) return invalid(path, "the file is larger than 1MiB");
  return text;
}

std::optional<std::string> scalar_text(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  return std::nullopt;
}

Result<FoundValues> read_values(const std::string& path) {
  Result<std::string> text = read_file(path);
  if (!text) return text.error();
  toml::parse_result parsed = toml::parse(*text, path);
  if (!parsed) {
    return invalid(fmt::format("{}:{}", path, parsed.error().source().begin.line),
                   std::string(parsed.error().description()));
  }
  FoundValues found;
  for (const auto& [key, node] : parsed.table()) {
    std::string name(key.str());
    std::string source = fmt::format("{}:{}", path, key.source().begin.line);
    if (find_option(name) == nullptr) {
      return invalid(source, fmt::format("there is no option '{}'", name));
    }
    std::optional<std::string> value = scalar_text(node);
    if (!value) return invalid(source, name + ": the value must be a string or an integer");
    found[name] = {std::move(*value), source + ": " + name};
  }
  return found;
}

// Flag before environment.
std::optional<Found> find_outside_file(std::string_view name, const Flags& flags,
                                       const Environment& environment) {
  if (auto flag = flags.find(name); flag != flags.end()) {
    return Found{flag->second, "--" + std::string(name)};
  }
  std::string variable = environment_name(name);
  if (const char* value = environment(variable.c_str())) return Found{value, variable};
  return std::nullopt;
}

int default_cores() {
  unsigned half = std::thread::hardware_concurrency() / 2;
  return static_cast<int>(std::clamp(half, 1u, default_cores_max));
}

// What the control group of a container allows, where the kernel shows it; "max" is no number.
std::uint64_t group_memory() {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::uint64_t bytes = 0;
    if (std::ifstream(path) >> bytes) least = std::min(least, bytes);
  }
  return least;
}

std::uint64_t default_memory() {
  const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::clamp(std::min(machine, group_memory()) / 4, memory_least, default_memory_max);
}

}  // namespace

Result<Config> load(const Flags& flags, const Environment& environment) {
  FoundValues in_file;
  if (auto file = find_outside_file("config", flags, environment)) {
    Result<FoundValues> read = read_values(file->text);
    if (!read) return read.error();
    in_file = std::move(*read);
  }
  Config config;
  for (const Option& option : options()) {
    Found found{std::string(option.default_value), "default"};
    if (auto file_value = in_file.find(option.name); file_value != in_file.end()) {
      found = file_value->second;
    }
    if (auto outside = find_outside_file(option.name, flags, environment)) found = *outside;
    Result<Value> value = parse_value(option, found.text);
    if (!value) return invalid(found.source, value.error().message);
    option.store(config, *value);
  }
  if (config.data_dir.empty()) return invalid("data-dir", "the name is empty");
  // A message is written as one entry, and an entry lies in one segment.
  if (config.message_size_max > config.segment_size / 2) {
    return invalid("message-size-max", "must not be more than half of segment-size");
  }
  if (config.shards == 0) config.shards = default_cores();
  if (config.memory_limit == 0) config.memory_limit = default_memory();
  if (config.memory_limit < memory_least) {
    return invalid("memory-limit", "must not be less than 64MiB");
  }
  return config;
}

}  // namespace trv::config
