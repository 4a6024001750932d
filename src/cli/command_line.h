// The command line: verbs and flags of the one binary, as values.
//
//   trivium serve [--data-dir DIR ...]     trivium help-options [--markdown]     trivium --version
//
// `trivium rabbitmqctl ...` has words of its own (rabbitmqctl.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "config/config.h"

namespace trv::cli {

// Run the broker.
struct Serve {
  config::Config config;
};

// Print and leave. Text for exit code 0 belongs on standard output, other on standard error.
struct Print {
  std::string text;
  int exit_code = 0;
};

using Command = std::variant<Serve, Print>;

// Exit codes: 0; 2 for a wrong command line or configuration.
Command parse(int argument_count, const char* const* arguments, std::string_view version,
              const std::function<const char*(const char*)>& environment);

}  // namespace trv::cli
