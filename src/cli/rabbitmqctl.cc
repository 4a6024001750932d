#include "cli/rabbitmqctl.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "cli/rabbitmqctl_call.h"

namespace trv::cli {

namespace json = boost::json;

Result<HttpAnswer> CtlCall::ask(std::string method, const std::string& path, std::string body,
                                std::string reason) {
  HttpQuestion question{std::move(method), "/api/" + path, std::move(body), {}};
  if (!reason.empty()) question.headers.emplace_back("X-Reason", std::move(reason));
  Result<HttpAnswer> answer = (*ask_server)(server, question);
  if (!answer) {
    fail(exit_unavailable, answer.error().message);
  } else if (answer->status == 401) {
    fail_with(*answer);
    return Error{Errc::invalid_argument, "the login is refused"};
  }
  return answer;
}

bool CtlCall::get(const std::string& path, json::value& out) {
  const Result<HttpAnswer> answer = ask("GET", path);
  if (!answer) return false;
  if (answer->status != 200) {
    fail_with(*answer);
    return false;
  }
  boost::system::error_code failed;
  out = json::parse(answer->body, failed);
  if (failed) fail(exit_software, "the answer is no JSON");
  return !failed;
}

bool CtlCall::change(std::string method, const std::string& path, std::string body) {
  const Result<HttpAnswer> answer = ask(std::move(method), path, std::move(body));
  if (!answer) return false;
  if (answer->status / 100 == 2) return true;
  fail_with(*answer);
  return false;
}

void CtlCall::say(std::string_view line) {
  if (!quiet) outcome.out += fmt::format("{}\n", line);
}

void CtlCall::fail(int exit_code, std::string_view why) {
  outcome.exit_code = exit_code;
  outcome.errors += fmt::format("Error:\n{}\n", why);
}

void CtlCall::fail_with(const HttpAnswer& answer) {
  boost::system::error_code failed;
  const json::value body = json::parse(answer.body, failed);
  const json::object* object = failed ? nullptr : body.if_object();
  const json::value* reason = object ? object->if_contains("reason") : nullptr;
  const bool told = reason && reason->is_string();
  fail(exit_unavailable, told ? std::string(reason->get_string())
                              : fmt::format("the server answers {}", answer.status));
}

std::string CtlCall::option(std::string_view name, std::string_view otherwise) const {
  const auto found = options.find(name);
  return found == options.end() ? std::string(otherwise) : found->second;
}

namespace {

std::string user_path(const std::string& user) { return "users/" + path_part(user); }
std::string in_vhost(const CtlCall& call, std::string_view noun, const std::string& name) {
  return fmt::format("{}/{}/{}", noun, path_part(call.vhost), path_part(name));
}

// Whether there is such a user; nothing when that could not be found out, which was told.
std::optional<bool> find_user(CtlCall& call, const std::string& user, json::object& out) {
  const Result<HttpAnswer> answer = call.ask("GET", user_path(user));
  if (!answer) return std::nullopt;
  if (answer->status == 404) return false;
  boost::system::error_code failed;
  const json::value found = json::parse(answer->body, failed);
  if (answer->status != 200 || failed || !found.is_object()) {
    call.fail_with(*answer);
    return std::nullopt;
  }
  out = found.get_object();
  return true;
}

// The user that there must be.
bool get_user(CtlCall& call, const std::string& user, json::object& out) {
  const std::optional<bool> there = find_user(call, user, out);
  if (there && !*there) call.fail(exit_no_user, fmt::format("User \"{}\" does not exist", user));
  return there.value_or(false);
}

void add_user(CtlCall& call) {
  const std::string& user = call.words[0];
  call.say(fmt::format("Adding user \"{}\" ...", user));
  json::object known;
  const std::optional<bool> there = find_user(call, user, known);
  if (!there) return;
  if (*there) return call.fail(exit_software, fmt::format("User \"{}\" already exists", user));
  const json::object body = {{"password", call.words[1]}, {"tags", ""}};
  if (!call.change("PUT", user_path(user), json::serialize(body))) return;
  call.say(
      "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl "
      "help set_permissions' to learn more.");
}

void change_password(CtlCall& call) {
  const std::string& user = call.words[0];
  call.say(fmt::format("Changing password for user \"{}\" ...", user));
  json::object known;
  if (!get_user(call, user, known)) return;
  const json::object body = {{"password", call.words[1]}, {"tags", known["tags"]}};
  call.change("PUT", user_path(user), json::serialize(body));
}

void set_user_tags(CtlCall& call) {
  const std::string user = call.words[0];
  const std::vector<std::string> tags(call.words.begin() + 1, call.words.end());
  call.say(fmt::format("Setting tags for user \"{}\" to [{}] ...", user, fmt::join(tags, ", ")));
  json::object known;
  if (!get_user(call, user, known)) return;
  json::array list;
  for (const std::string& tag : tags) list.push_back(json::string(tag));
  const json::object body = {{"password_hash", known["password_hash"]},
                             {"hashing_algorithm", known["hashing_algorithm"]},
                             {"tags", std::move(list)}};
  call.change("PUT", user_path(user), json::serialize(body));
}

void delete_user(CtlCall& call) {
  call.say(fmt::format("Deleting user \"{}\" ...", call.words[0]));
  json::object known;
  if (get_user(call, call.words[0], known)) call.change("DELETE", user_path(call.words[0]));
}

void authenticate_user(CtlCall& call) {
  call.say(fmt::format("Authenticating user \"{}\" ...", call.words[0]));
  call.server.user = call.words[0];
  call.server.password = call.words[1];
  // Who may log in and has no tag is refused with other words than who may not.
  const HttpQuestion question{"GET", "/api/whoami", {}, {}};
  const Result<HttpAnswer> answer = (*call.ask_server)(call.server, question);
  if (!answer) return call.fail(exit_unavailable, answer.error().message);
  const bool known =
      answer->status == 200 || answer->body.find("Not management user") != std::string::npos;
  if (known) return call.say("Success");
  call.fail(65, fmt::format("failed to authenticate user \"{}\"", call.words[0]));
}

void set_permissions(CtlCall& call) {
  const std::string& user = call.words[0];
  call.say(
      fmt::format("Setting permissions for user \"{}\" in vhost \"{}\" ...", user, call.vhost));
  json::object known;
  const std::optional<bool> there = find_user(call, user, known);
  if (there && !*there) call.fail(exit_no_user, fmt::format("User {} does not exist", user));
  if (!there.value_or(false)) return;
  const json::object body = {
      {"configure", call.words[1]}, {"write", call.words[2]}, {"read", call.words[3]}};
  call.change("PUT", in_vhost(call, "permissions", user), json::serialize(body));
}

void clear_permissions(CtlCall& call) {
  const std::string& user = call.words[0];
  call.say(
      fmt::format("Clearing permissions for user \"{}\" in vhost \"{}\" ...", user, call.vhost));
  json::object known;
  if (!get_user(call, user, known)) return;
  // That there were none is no failure.
  const Result<HttpAnswer> answer = call.ask("DELETE", in_vhost(call, "permissions", user));
  if (answer && answer->status / 100 != 2 && answer->status != 404) call.fail_with(*answer);
}

// Those of users, and the operator's, which are on other paths and called so.
struct PolicyWords {
  std::string_view path;
  std::string_view set;
  std::string_view cleared;
};
constexpr PolicyWords of_users = {"policies", "policy", "policy"};
constexpr PolicyWords of_operators = {"operator-policies", "operator policy override",
                                      "operator policy"};

template <const PolicyWords& words>
void set_policy(CtlCall& call) {
  const std::string priority = call.option("priority", "0");
  call.say(fmt::format(
      "Setting {} \"{}\" for pattern \"{}\" to \"{}\" with priority \"{}\" for vhost \"{}\" ...",
      words.set, call.words[0], call.words[1], call.words[2], priority, call.vhost));
  std::int64_t number = 0;
  const char* end = priority.data() + priority.size();
  const auto read = std::from_chars(priority.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) {
    return call.fail(exit_usage, "the priority is no number");
  }
  boost::system::error_code failed;
  const json::value definition = json::parse(call.words[2], failed);
  if (failed) return call.fail(exit_usage, "the definition is no JSON");
  const json::object body = {{"pattern", call.words[1]},
                             {"definition", definition},
                             {"priority", number},
                             {"apply-to", call.option("apply-to", "all")}};
  call.change("PUT", in_vhost(call, words.path, call.words[0]), json::serialize(body));
}

template <const PolicyWords& words>
void clear_policy(CtlCall& call) {
  call.say(fmt::format("Clearing {} \"{}\" on vhost \"{}\" ...", words.cleared, call.words[0],
                       call.vhost));
  const Result<HttpAnswer> answer = call.ask("DELETE", in_vhost(call, words.path, call.words[0]));
  if (!answer || answer->status / 100 == 2) return;
  if (answer->status == 404) return call.fail(exit_unavailable, "Parameter does not exist");
  call.fail_with(*answer);
}

void add_vhost(CtlCall& call) {
  call.say(fmt::format("Adding vhost \"{}\" ...", call.words[0]));
  json::object body;
  const std::pair<const char*, const char*> given[] = {
      {"description", "description"},
      {"tags", "tags"},
      {"default-queue-type", "default_queue_type"}};
  for (const auto& [option, member] : given) {
    if (call.options.contains(option)) body[member] = call.option(option, "");
  }
  call.change("PUT", "vhosts/" + path_part(call.words[0]), json::serialize(body));
}

void delete_vhost(CtlCall& call) {
  const std::string& name = call.words[0];
  call.say(fmt::format("Deleting vhost \"{}\" ...", name));
  const Result<HttpAnswer> answer = call.ask("DELETE", "vhosts/" + path_part(name));
  if (!answer || answer->status / 100 == 2) return;
  if (answer->status != 404) return call.fail_with(*answer);
  call.fail(exit_data, fmt::format("Virtual host '{}' does not exist", name));
}

void close_connection(CtlCall& call) {
  const std::string& name = call.words[0];
  const std::string& reason = call.words[1];
  call.say(fmt::format("Closing connection {}, reason: {}...", name, reason));
  const Result<HttpAnswer> answer =
      call.ask("DELETE", "connections/" + path_part(name), {}, reason);
  if (answer && answer->status / 100 != 2) call.fail_with(*answer);
}

void purge_queue(CtlCall& call) {
  call.say(fmt::format("Purging queue '{}' in vhost '{}' ...", call.words[0], call.vhost));
  call.change("DELETE", in_vhost(call, "queues", call.words[0]) + "/contents");
}

void delete_queue(CtlCall& call) {
  const std::string& name = call.words[0];
  call.say(fmt::format("Deleting queue '{}' on vhost '{}' ...", name, call.vhost));
  std::string conditions = "?";
  if (call.options.contains("if-empty")) conditions += "if-empty=true&";
  if (call.options.contains("if-unused")) conditions += "if-unused=true&";
  conditions.pop_back();
  const Result<HttpAnswer> answer = call.ask("DELETE", in_vhost(call, "queues", name) + conditions);
  if (!answer) return;
  if (answer->status == 404) return call.fail(exit_usage, "Queue not found");
  if (answer->status / 100 != 2) return call.fail_with(*answer);
  call.say("Queue was successfully deleted");
}

void export_definitions(CtlCall& call) {
  const std::string& path = call.words[0];
  const bool to_output = path == "-";
  if (!to_output) {
    call.say(fmt::format("Exporting definitions in JSON to a file at \"{}\" ...", path));
  }
  json::value all;
  if (!call.get("definitions", all)) return;
  const std::string text = json::serialize(all) + "\n";
  if (to_output) {
    call.outcome.out += text;
    return;
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) call.fail(exit_software, "cannot write " + path);
}

void import_definitions(CtlCall& call) {
  const std::string& path = call.words[0];
  call.say(fmt::format("Importing definitions in JSON from a file at \"{}\" ...", path));
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& source = path == "-" ? std::cin : file;
  const std::string text((std::istreambuf_iterator<char>(source)), {});
  if (!source.eof() && !source.good()) return call.fail(exit_usage, "cannot read " + path);
  if (text.empty()) return call.fail(exit_usage, "there is nothing in " + path);
  call.change("POST", "definitions", text);
}

void status(CtlCall& call) {
  json::value overview;
  json::value nodes;
  if (!call.get("overview", overview) || !call.get("nodes", nodes)) return;
  const auto text = [](const json::value& of, std::string_view name) -> std::string {
    const json::object* object = of.if_object();
    const json::value* found = object ? object->if_contains(name) : nullptr;
    if (!found) return "";
    return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
  };
  const json::array* list = nodes.if_array();
  if (!list || list->empty() || !overview.is_object()) {
    return call.fail(exit_software, "the answer is no status");
  }
  const json::value& node = list->front();
  call.say(fmt::format("Status of node {} ...", text(node, "name")));
  std::string& out = call.outcome.out;
  out += "Runtime\n\n";
  out += fmt::format("OS PID: {}\n", text(node, "os_pid"));
  std::int64_t uptime_ms = 0;
  const std::string uptime = text(node, "uptime");
  std::from_chars(uptime.data(), uptime.data() + uptime.size(), uptime_ms);
  out += fmt::format("Uptime (seconds): {}\n", uptime_ms / 1000);
  out += fmt::format("RabbitMQ version: {}\n", text(overview, "rabbitmq_version"));
  out += fmt::format("{} version: {}\n", text(overview, "product_name"),
                     text(overview, "product_version"));
  out += fmt::format("Node name: {}\n", text(node, "name"));
  out += fmt::format("\nAlarms\n\n{}\n",
                     text(node, "disk_free_alarm") == "true" ? "Free disk space alarm" : "(none)");
  out += fmt::format("\nFile Descriptors\n\nTotal: {}, limit: {}\n", text(node, "fd_used"),
                     text(node, "fd_total"));
  out +=
      fmt::format("\nFree Disk Space\n\nLow free disk space watermark: {}\nFree disk space: {}\n",
                  text(node, "disk_free_limit"), text(node, "disk_free"));
  const json::value* totals = overview.as_object().if_contains("object_totals");
  if (totals) {
    out += fmt::format("\nTotals\n\nConnection count: {}\nQueue count: {}\n",
                       text(*totals, "connections"), text(*totals, "queues"));
  }
  const json::value* listeners = overview.as_object().if_contains("listeners");
  if (!listeners || !listeners->is_array()) return;
  out += "\nListeners\n\n";
  for (const json::value& one : listeners->get_array()) {
    out += fmt::format("Interface: {}, port: {}, protocol: {}\n", text(one, "ip_address"),
                       text(one, "port"), text(one, "protocol"));
  }
}

// Asks again and again, for a minute unless told otherwise.
void await_startup(CtlCall& call) {
  constexpr int pause_ms = 200;
  const std::string given = call.option("timeout", "60");
  int seconds = 0;
  const char* end = given.data() + given.size();
  const auto read = std::from_chars(given.data(), end, seconds);
  if (read.ec != std::errc() || read.ptr != end || seconds < 0 || seconds > 86'400) {
    return call.fail(exit_usage, "the timeout is no number of seconds");
  }
  const HttpQuestion question{"GET", "/api/whoami", {}, {}};
  for (int left_ms = seconds * 1000;; left_ms -= pause_ms) {
    const Result<HttpAnswer> answer = (*call.ask_server)(call.server, question);
    if (answer && answer->status == 200) return;
    if (answer && answer->status == 401) return call.fail_with(*answer);
    if (left_ms <= 0) {
      return call.fail(exit_unavailable,
                       answer ? "the server does not serve" : answer.error().message);
    }
    ::poll(nullptr, 0, pause_ms);
  }
}

constexpr CtlCommand changes[] = {
    {"add_user", 2, 2, "", "USER PASSWORD", add_user},
    {"change_password", 2, 2, "", "USER PASSWORD", change_password},
    {"set_user_tags", 1, 100, "", "USER [TAG ...]", set_user_tags},
    {"delete_user", 1, 1, "", "USER", delete_user},
    {"authenticate_user", 2, 2, "", "USER PASSWORD", authenticate_user},
    {"set_permissions", 4, 4, "", "USER CONFIGURE WRITE READ", set_permissions},
    {"clear_permissions", 1, 1, "", "USER", clear_permissions},
    {"set_policy", 3, 3, "priority apply-to", "NAME PATTERN DEFINITION", set_policy<of_users>},
    {"clear_policy", 1, 1, "", "NAME", clear_policy<of_users>},
    {"set_operator_policy", 3, 3, "priority apply-to", "NAME PATTERN DEFINITION",
     set_policy<of_operators>},
    {"clear_operator_policy", 1, 1, "", "NAME", clear_policy<of_operators>},
    {"add_vhost", 1, 1, "description tags default-queue-type", "NAME", add_vhost},
    {"delete_vhost", 1, 1, "", "NAME", delete_vhost},
    {"close_connection", 2, 2, "", "NAME REASON", close_connection},
    {"purge_queue", 1, 1, "", "NAME", purge_queue},
    {"delete_queue", 1, 1, "if-empty! if-unused!", "NAME", delete_queue},
    {"export_definitions", 1, 1, "", "FILE|-", export_definitions},
    {"import_definitions", 1, 1, "", "FILE|-", import_definitions},
    {"status", 0, 0, "", "", status},
    {"await_startup", 0, 0, "timeout", "", await_startup},
};

const CtlCommand* find_command(std::string_view name) {
  for (const auto& table : {std::span<const CtlCommand>(changes), list_commands(), limit_commands(),
                            parameter_commands()}) {
    for (const CtlCommand& command : table) {
      if (command.name == name) return &command;
    }
  }
  return nullptr;
}

std::string usage_of(const CtlCommand& command) {
  std::string text(command.name);
  std::string_view options = command.options;
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(' '), options.size());
    const std::string_view one = options.substr(0, end);
    text += one.ends_with('!') ? fmt::format(" [--{}]", one.substr(0, one.size() - 1))
                               : fmt::format(" [--{} VALUE]", one);
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  if (!command.usage.empty()) text += fmt::format(" {}", command.usage);
  return text;
}

std::string help() {
  std::string text =
      "trivium rabbitmqctl [--url http://guest:guest@127.0.0.1:15672] [-q|--quiet] [-s|--silent]\n"
      "    [--no-table-headers] [--formatter table|json] [-p|--vhost VHOST] COMMAND ...\n\n";
  for (const auto& table : {list_commands(), std::span<const CtlCommand>(changes), limit_commands(),
                            parameter_commands()}) {
    for (const CtlCommand& command : table) text += fmt::format("  {}\n", usage_of(command));
  }
  return text;
}

enum class OptionKind { none, flag, valued };

OptionKind own_option(const CtlCommand* command, std::string_view name) {
  std::string_view options = command ? command->options : std::string_view();
  while (!options.empty()) {
    const std::size_t end = std::min(options.find(' '), options.size());
    const std::string_view one = options.substr(0, end);
    if (one == name) return OptionKind::valued;
    if (one.ends_with('!') && one.substr(0, one.size() - 1) == name) return OptionKind::flag;
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return OptionKind::none;
}

// Reads what every command knows. Result: whether it was such; `value` is null where none follows.
Result<bool> read_common(CtlCall& call, std::string_view name, const std::string* value,
                         bool& took_value) {
  if (name == "-q" || name == "--quiet") {
    call.quiet = true;
  } else if (name == "-s" || name == "--silent") {
    call.quiet = true;
    call.headers = false;
  } else if (name == "--no-table-headers") {
    call.headers = false;
  } else if (name == "-p" || name == "--vhost" || name == "--url" || name == "--formatter") {
    if (!value) return Error{Errc::invalid_argument, std::string(name) + " wants a value"};
    took_value = true;
    if (name == "--url") {
      Result<HttpServer> server = parse_url(*value);
      if (!server) return server.error();
      call.server = std::move(*server);
    } else if (name == "--formatter") {
      if (*value != "json" && *value != "table") {
        return Error{Errc::invalid_argument, "there is no formatter " + *value};
      }
      call.as_json = *value == "json";
    } else {
      call.vhost = *value;
    }
  } else {
    return false;
  }
  return true;
}

// Sorts the words of the command line. Nothing when they are right, else why not.
std::optional<std::string> read_words(const std::vector<std::string>& words, CtlCall& call,
                                      const CtlCommand*& command) {
  bool only_words = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_words || word.size() < 2 || word[0] != '-') {
      if (!command) {
        command = find_command(word);
        if (!command) return fmt::format("Command '{}' not found.", word);
      } else {
        call.words.push_back(word);
      }
      continue;
    }
    if (word == "--") {
      only_words = true;
      continue;
    }
    const std::string* next = i + 1 < words.size() ? &words[i + 1] : nullptr;
    bool took_value = false;
    const Result<bool> common = read_common(call, word, next, took_value);
    if (!common) return common.error().message;
    if (took_value) ++i;
    if (*common) continue;
    const std::string name = word == "-t" ? "timeout" : word.substr(word.find_first_not_of('-'));
    const OptionKind kind = own_option(command, name);
    if (kind == OptionKind::none) return fmt::format("there is no option {} here", word);
    if (kind == OptionKind::valued && !next) return word + " wants a value";
    call.options[name] = kind == OptionKind::valued ? words[++i] : std::string();
  }
  return std::nullopt;
}

}  // namespace

Outcome rabbitmqctl(const std::vector<std::string>& words, const AskServer& ask_server) {
  const bool asks_help = words.empty() || words[0] == "help" || words[0] == "--help";
  if (asks_help) return {help(), "", words.empty() ? exit_usage : 0};
  CtlCall call;
  call.ask_server = &ask_server;
  const CtlCommand* command = nullptr;
  std::optional<std::string> wrong = read_words(words, call, command);
  if (!wrong && !command) wrong = "there is no command";
  const std::size_t count = call.words.size();
  if (!wrong && (count < command->words_min || count > command->words_max)) {
    wrong = fmt::format("Error (argument validation): {} arguments\nUsage: {}",
                        count < command->words_min ? "not enough" : "too many", usage_of(*command));
  }
  if (wrong) return {"", *wrong + "\n", exit_usage};
  command->run(call);
  return std::move(call.outcome);
}

}  // namespace trv::cli
