#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "config/options.h"

namespace trv::cli {

namespace {

constexpr int usage_exit_code = 2;

std::string help_of(const config::Option& option) {
  std::string help = fmt::format("{}.", option.help);
  if (option.kind != config::Kind::text) {
    help += fmt::format(" Value: {}.", config::describe_values(option));
  }
  if (!option.default_value.empty()) help += fmt::format(" Default: {}", option.default_value);
  return help;
}

// Values arrive as text: what they may be is decided in one place, for all sources.
void add_serve_flags(CLI::App& serve, config::Flags& flags) {
  auto add = [&](std::string_view name, const std::string& help) {
    std::string key(name);
    serve
        .add_option_function<std::string>(
            "--" + key, [&flags, key](const std::string& text) { flags[key] = text; }, help)
        ->type_name("");
  };
  for (const config::Option& option : config::options()) add(option.name, help_of(option));
  add("config", "TOML file with the same names as keys.");
}

std::string options_text() {
  std::string text = "Options of `trivium serve`: flag, environment variable, default.\n\n";
  for (const config::Option& option : config::options()) {
    text +=
        fmt::format("--{}  {}  {}\n    {}.\n", option.name, config::environment_name(option.name),
                    option.default_value.empty() ? "(empty)" : option.default_value, option.help);
  }
  return text;
}

}  // namespace

Command parse(int argument_count, const char* const* arguments, std::string_view version,
              const std::function<const char*(const char*)>& environment) {
  CLI::App app("Trivium: one durable log for AMQP 0-9-1, Redis and Kafka clients.", "trivium");
  app.set_version_flag("--version", fmt::format("trivium {}", version));
  app.require_subcommand(1);
  CLI::App* serve = app.add_subcommand("serve", "Run the broker.");
  config::Flags flags;
  add_serve_flags(*serve, flags);
  CLI::App* help_options = app.add_subcommand(
      "help-options", "Print the options of `serve` with their environment variables.");
  // Not read here, and named for --help.
  app.add_subcommand("rabbitmqctl", "RabbitMQ's command for operators, of a broker that runs.");
  bool markdown = false;
  help_options->add_flag("--markdown", markdown, "As a page of documentation.");

  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& stop) {
    // --help and --version arrive here, too.
    std::ostringstream out;
    std::ostringstream errors;
    bool ok = app.exit(stop, out, errors) == 0;
    return Print{ok ? out.str() : "trivium: " + errors.str(), ok ? 0 : usage_exit_code};
  }
  if (help_options->parsed()) return Print{markdown ? config::options_markdown() : options_text()};
  Result<config::Config> loaded = config::load(flags, environment);
  if (!loaded) return Print{"trivium: " + loaded.error().message + "\n", usage_exit_code};
  return Serve{std::move(*loaded)};
}

}  // namespace trv::cli
