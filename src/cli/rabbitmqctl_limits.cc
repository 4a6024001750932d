// The commands of rabbitmqctl about limits of users and virtual hosts.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/rabbitmqctl_call.h"

namespace trv::cli {

namespace {

namespace json = boost::json;

constexpr std::string_view vhost_limit_names[] = {"max-connections", "max-queues"};

// The limits that a definition asks for; nothing when it is none, which is told.
std::optional<json::object> parse_definition(CtlCall& call, const std::string& text) {
  boost::system::error_code failed;
  const json::value definition = json::parse(text, failed);
  if (!failed && definition.is_object()) return definition.get_object();
  call.fail(exit_unavailable, "JSON decoding error. Reason: badarg");
  return std::nullopt;
}

bool set_limit(CtlCall& call, const std::string& path, std::string_view name,
               const json::value& value) {
  const json::object body = {{"value", value}};
  return call.change("PUT", path + "/" + path_part(std::string(name)), json::serialize(body));
}

// All of them or none: what the API will refuse is asked for first, so that it tells why.
bool set_limits(CtlCall& call, const std::string& path, const json::object& limits) {
  const auto plain = [](const auto& limit) {
    const std::string_view name = limit.key();
    const bool known = name == "max-connections" || name == "max-channels" || name == "max-queues";
    return known && limit.value().is_int64();
  };
  for (const bool wanted : {false, true}) {
    for (const auto& limit : limits) {
      if (plain(limit) != wanted) continue;
      if (!set_limit(call, path, limit.key(), limit.value())) return false;
    }
  }
  return true;
}

bool known_user(CtlCall& call, const std::string& user) {
  const Result<HttpAnswer> answer = call.ask("GET", "users/" + path_part(user));
  if (!answer) return false;
  if (answer->status == 200) return true;
  if (answer->status == 404) {
    call.fail(exit_unavailable, fmt::format("{{:no_such_user, \"{}\"}}", user));
  } else {
    call.fail_with(*answer);
  }
  return false;
}

// What the definition does not name is not limited any more.
void set_vhost_limits(CtlCall& call) {
  call.say(fmt::format("Setting vhost limits to \"{}\" for vhost \"{}\" ...", call.words[0],
                       call.vhost));
  const auto limits = parse_definition(call, call.words[0]);
  if (!limits) return;
  const std::string path = "vhost-limits/" + path_part(call.vhost);
  if (!set_limits(call, path, *limits)) return;
  for (const std::string_view name : vhost_limit_names) {
    if (limits->contains(name)) continue;
    if (!call.change("DELETE", path + "/" + std::string(name))) return;
  }
}

void clear_vhost_limits(CtlCall& call) {
  call.say(fmt::format("Clearing vhost \"{}\" limits ...", call.vhost));
  for (const std::string_view name : vhost_limit_names) {
    const std::string path = "vhost-limits/" + path_part(call.vhost) + "/" + std::string(name);
    if (!call.change("DELETE", path)) return;
  }
}

void set_user_limits(CtlCall& call) {
  const std::string& user = call.words[0];
  call.say(fmt::format("Setting user limits to \"{}\" for user \"{}\" ...", call.words[1], user));
  const auto limits = parse_definition(call, call.words[1]);
  if (!limits || !known_user(call, user)) return;
  set_limits(call, "user-limits/" + path_part(user), *limits);
}

void clear_user_limits(CtlCall& call) {
  const std::string& user = call.words[0];
  const std::string& limit = call.words[1];
  const std::string what = limit == "all" ? "all limits" : fmt::format("\"{}\" limit", limit);
  call.say(fmt::format("Clearing {} for user \"{}\" ...", what, user));
  if (!known_user(call, user)) return;
  call.change("DELETE", fmt::format("user-limits/{}/{}", path_part(user), path_part(limit)));
}

// The rows of the API: {noun: name, "value": limits}. False when it was told why there are none.
bool get_rows(CtlCall& call, const std::string& path, std::string_view noun, json::array& rows) {
  json::value answer;
  if (!call.get(path, answer)) return false;
  const json::array* list = answer.if_array();
  bool sound = list != nullptr;
  for (std::size_t i = 0; sound && i < list->size(); ++i) {
    const json::object* row = list->at(i).if_object();
    const json::value* name = row ? row->if_contains(noun) : nullptr;
    sound = name && name->is_string() && row->contains("value");
  }
  if (sound) {
    rows = *list;
  } else {
    call.fail(exit_software, "the answer is no list of limits");
  }
  return sound;
}

// Of all that have some, as a table.
void print_all(CtlCall& call, std::string_view noun) {
  if (!call.as_json) call.say(fmt::format("Listing limits for all {}s ...", noun));
  json::array rows;
  if (!get_rows(call, fmt::format("{}-limits", noun), noun, rows)) return;
  std::string& out = call.outcome.out;
  std::vector<std::string> lines;
  for (const json::value& row : rows) {
    const std::string limits = json::serialize(row.at("value"));
    lines.push_back(
        call.as_json ? json::serialize(json::object{{noun, row.at(noun)}, {"limits", limits}})
                     : fmt::format("{}\t{}", std::string_view(row.at(noun).as_string()), limits));
  }
  if (call.as_json) {
    out += fmt::format("[\n{}{}]\n", fmt::join(lines, "\n,"), lines.empty() ? "" : "\n");
  } else if (lines.empty()) {
    call.say("");
  } else {
    if (call.headers) out += fmt::format("{}\tlimits\n", noun);
    out += fmt::format("{}\n", fmt::join(lines, "\n"));
  }
}

// Of one, as they are; `otherwise` where there are none.
void print_one(CtlCall& call, std::string_view noun, const std::string& name,
               std::string_view otherwise) {
  json::array rows;
  if (!get_rows(call, fmt::format("{}-limits/{}", noun, path_part(name)), noun, rows)) return;
  const std::string text =
      rows.empty() ? std::string(otherwise) : json::serialize(rows.front().at("value"));
  if (text.empty()) {
    call.say("");
  } else {
    call.outcome.out += text + "\n";
  }
}

void say_listing(CtlCall& call, std::string_view noun, const std::string& name) {
  if (!call.as_json) call.say(fmt::format("Listing limits for {} \"{}\" ...", noun, name));
}

void list_vhost_limits(CtlCall& call) {
  if (call.options.contains("global")) return print_all(call, "vhost");
  say_listing(call, "vhost", call.vhost);
  print_one(call, "vhost", call.vhost, "");
}

void list_user_limits(CtlCall& call) {
  if (call.options.contains("global")) return print_all(call, "user");
  const std::string user = call.option("user", "guest");
  say_listing(call, "user", user);
  if (known_user(call, user)) print_one(call, "user", user, "{}");
}

constexpr CtlCommand commands[] = {
    {"set_vhost_limits", 1, 1, "", "DEFINITION", set_vhost_limits},
    {"clear_vhost_limits", 0, 0, "", "", clear_vhost_limits},
    {"list_vhost_limits", 0, 0, "global!", "", list_vhost_limits},
    {"set_user_limits", 2, 2, "", "USER DEFINITION", set_user_limits},
    {"clear_user_limits", 2, 2, "", "USER LIMIT|all", clear_user_limits},
    {"list_user_limits", 0, 0, "user global!", "", list_user_limits},
};

}  // namespace

std::span<const CtlCommand> limit_commands() { return commands; }

}  // namespace trv::cli
