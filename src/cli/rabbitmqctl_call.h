// What one call of rabbitmqctl has: its options and words, the server, and what it prints.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/rabbitmqctl.h"

namespace trv::cli {

inline constexpr int exit_usage = 64;
inline constexpr int exit_data = 65;
inline constexpr int exit_no_user = 67;
inline constexpr int exit_unavailable = 69;
inline constexpr int exit_software = 70;

struct CtlCall {
  // The answer of the API, below /api/. Nothing when nobody answered or the login is refused, which
  // is told then.
  Result<HttpAnswer> ask(std::string method, const std::string& path, std::string body = {},
                         std::string reason = {});
  // The same of a GET that must succeed, as JSON. False when it was told why not.
  bool get(const std::string& path, boost::json::value& out);
  // Carries out a change; false when it was told why not.
  bool change(std::string method, const std::string& path, std::string body = {});

  void say(std::string_view line);  // unless it is to be quiet
  void fail(int exit_code, std::string_view why);
  void fail_with(const HttpAnswer& answer);
  std::string option(std::string_view name, std::string_view otherwise) const;

  HttpServer server;
  const AskServer* ask_server = nullptr;
  std::string vhost = "/";
  bool quiet = false;   // no banners
  bool headers = true;  // of tables
  bool as_json = false;
  std::map<std::string, std::string, std::less<>> options;  // further ones: --priority and the like
  std::vector<std::string> words;                           // behind the command
  Outcome outcome;
};

// A command: how many words it takes, the names of its own options, and what it does.
struct CtlCommand {
  std::string_view name;
  std::size_t words_min;
  std::size_t words_max;
  std::string_view options;  // separated by spaces; a flag ends with '!'
  std::string_view usage;
  void (*run)(CtlCall& call);
};

std::span<const CtlCommand> list_commands();
std::span<const CtlCommand> limit_commands();
std::span<const CtlCommand> parameter_commands();

}  // namespace trv::cli
