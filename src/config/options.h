// Options: the one table of everything that can be set. Each row gives a flag (--data-dir), an
// environment variable (TRIVIUM_DATA_DIR) and a key of the TOML file (data-dir); the help text and
// docs/options.md are made from it.
//
// Precedence: flag, environment, file, default. An error names the place that the value came from.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "config/config.h"

namespace trv::config {

enum class Kind : std::uint8_t {
  text,
  number,  // from `least` to `most`
  size,    // bytes, as a number or with KiB, MiB or GiB; from `least` to `most`
  choice,  // one of `choices`
};

using Value = std::variant<std::string, std::int64_t>;

struct Option {
  std::string_view name;
  Kind kind;
  std::string_view default_value;
  std::int64_t least;
  std::int64_t most;
  std::string_view choices;  // separated by '|'
  std::string_view help;     // one sentence without its full stop
  void (*store)(Config&, const Value&);
};

std::span<const Option> options();
const Option* find_option(std::string_view name);

// "data-dir" -> "TRIVIUM_DATA_DIR".
std::string environment_name(std::string_view name);

// What a value may be, for help and errors: "a number from 1 to 256".
std::string describe_values(const Option& option);

// Errors: invalid_argument; the message is a clause without a subject ("'x' is not a number ...").
Result<Value> parse_value(const Option& option, std::string_view text);

// The table as a page of documentation.
std::string options_markdown();

using Flags = std::map<std::string, std::string, std::less<>>;  // name without dashes -> value
// The value of an environment variable, or null.
using Environment = std::function<const char*(const char*)>;

// Reads the file when there is one, and puts everything together.
// Errors: invalid_argument, not_found (the file), io_error.
Result<Config> load(const Flags& flags, const Environment& environment);

}  // namespace trv::config
