// The commands of rabbitmqctl that print tables.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "cli/rabbitmqctl_call.h"

namespace trv::cli {

namespace {

namespace json = boost::json;

// A column, and where the API has it: a member, or a member of a member.
struct Column {
  std::string_view name;
  std::string_view field;
};

struct List {
  std::string_view banner;   // %v is the virtual host
  std::string_view path;     // %v is the virtual host
  std::string_view columns;  // unless others are wanted
  std::span<const Column> all;
};

constexpr Column queue_columns[] = {{"name", "name"},
                                    {"durable", "durable"},
                                    {"auto_delete", "auto_delete"},
                                    {"exclusive", "exclusive"},
                                    {"arguments", "arguments"},
                                    {"policy", "policy"},
                                    {"type", "type"},
                                    {"state", "state"},
                                    {"messages", "messages"},
                                    {"messages_ready", "messages_ready"},
                                    {"messages_unacknowledged", "messages_unacknowledged"},
                                    {"consumers", "consumers"},
                                    {"memory", "memory"}};
constexpr Column exchange_columns[] = {{"name", "name"},         {"type", "type"},
                                       {"durable", "durable"},   {"auto_delete", "auto_delete"},
                                       {"internal", "internal"}, {"arguments", "arguments"}};
constexpr Column binding_columns[] = {{"source_name", "source"},
                                      {"source_kind", "'exchange"},
                                      {"destination_name", "destination"},
                                      {"destination_kind", "destination_type"},
                                      {"routing_key", "routing_key"},
                                      {"arguments", "arguments"},
                                      {"vhost", "vhost"}};
constexpr Column connection_columns[] = {{"name", "name"},
                                         {"user", "user"},
                                         {"peer_host", "peer_host"},
                                         {"peer_port", "peer_port"},
                                         {"host", "host"},
                                         {"port", "port"},
                                         {"state", "state"},
                                         {"vhost", "vhost"},
                                         {"channels", "channels"},
                                         {"protocol", "protocol"},
                                         {"auth_mechanism", "auth_mechanism"},
                                         {"frame_max", "frame_max"},
                                         {"channel_max", "channel_max"},
                                         {"timeout", "timeout"},
                                         {"connected_at", "connected_at"}};
constexpr Column channel_columns[] = {{"pid", "name"},
                                      {"name", "name"},
                                      {"number", "number"},
                                      {"user", "user"},
                                      {"vhost", "vhost"},
                                      {"confirm", "confirm"},
                                      {"transactional", "transactional"},
                                      {"consumer_count", "consumer_count"},
                                      {"messages_unacknowledged", "messages_unacknowledged"},
                                      {"messages_unconfirmed", "messages_unconfirmed"},
                                      {"prefetch_count", "prefetch_count"},
                                      {"global_prefetch_count", "global_prefetch_count"},
                                      {"connection", "connection_details.name"}};
constexpr Column consumer_columns[] = {{"queue_name", "queue.name"},
                                       {"channel_pid", "channel_details.name"},
                                       {"consumer_tag", "consumer_tag"},
                                       {"ack_required", "ack_required"},
                                       {"prefetch_count", "prefetch_count"},
                                       {"active", "active"},
                                       {"arguments", "arguments"}};
constexpr Column user_columns[] = {{"user", "name"}, {"tags", "tags"}};
constexpr Column vhost_columns[] = {{"name", "name"},
                                    {"tracing", "tracing"},
                                    {"description", "description"},
                                    {"tags", "tags"},
                                    {"default_queue_type", "default_queue_type"},
                                    {"cluster_state", "cluster_state"}};
constexpr Column rights_columns[] = {
    {"user", "user"}, {"configure", "configure"}, {"write", "write"}, {"read", "read"}};
constexpr Column own_rights_columns[] = {
    {"vhost", "vhost"}, {"configure", "configure"}, {"write", "write"}, {"read", "read"}};
constexpr Column policy_columns[] = {{"vhost", "vhost"},           {"name", "name"},
                                     {"pattern", "pattern"},       {"apply-to", "apply-to"},
                                     {"definition", "definition"}, {"priority", "priority"}};

constexpr Column parameter_columns[] = {
    {"component", "component"}, {"name", "name"}, {"value", "value"}};

constexpr List queues = {"Timeout: 60.0 seconds ...\nListing queues for vhost %v ...", "queues/%v",
                         "name messages", queue_columns};
constexpr List exchanges = {"Listing exchanges for vhost %v ...", "exchanges/%v", "name type",
                            exchange_columns};
constexpr List bindings = {
    "Listing bindings for vhost %v...", "bindings/%v",
    "source_name source_kind destination_name destination_kind routing_key arguments",
    binding_columns};
constexpr List connections = {"Listing connections ...", "connections",
                              "user peer_host peer_port state", connection_columns};
constexpr List channels = {"Listing channels ...", "channels",
                           "pid user consumer_count messages_unacknowledged", channel_columns};
constexpr List consumers = {
    "Listing consumers in vhost %v ...", "consumers/%v",
    "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments",
    consumer_columns};
constexpr List users = {"Listing users ...", "users", "user tags", user_columns};
constexpr List vhosts = {"Listing vhosts ...", "vhosts", "name", vhost_columns};
constexpr List rights = {"Listing permissions for vhost \"%v\" ...", "vhosts/%v/permissions",
                         "user configure write read", rights_columns};
constexpr List policies = {"Listing policies for vhost \"%v\" ...", "policies/%v",
                           "vhost name pattern apply-to definition priority", policy_columns};
constexpr List operator_policies = {
    "Listing operator policy overrides for vhost \"%v\" ...", "operator-policies/%v",
    "vhost name pattern apply-to definition priority", policy_columns};
constexpr List parameters = {"Listing runtime parameters for vhost \"%v\" ...", "parameters",
                             "component name value", parameter_columns};
constexpr List global_parameters = {"Listing global runtime parameters ...", "global-parameters",
                                    "name value", parameter_columns};

std::string filled(std::string_view text, const std::string& vhost) {
  std::string out(text);
  const std::size_t at = out.find("%v");
  if (at != std::string::npos) out.replace(at, 2, vhost);
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// "a.b" looks into a; "'text" is the text itself.
json::value field_of(const json::object& row, std::string_view field) {
  if (field.starts_with('\'')) return json::value(json::string(field.substr(1)));
  const std::size_t dot = field.find('.');
  const json::value* found = row.if_contains(field.substr(0, dot));
  if (found && dot != std::string_view::npos) {
    const json::object* inner = found->if_object();
    found = inner ? inner->if_contains(field.substr(dot + 1)) : nullptr;
  }
  return found ? *found : json::value();
}

// As an Erlang term, which is how RabbitMQ prints what is no plain text.
std::string term_of(const json::value& value) {
  if (const json::string* text = value.if_string()) return "\"" + std::string(*text) + "\"";
  if (const json::array* list = value.if_array()) {
    std::vector<std::string> parts;
    for (const json::value& one : *list) parts.push_back(term_of(one));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  if (const json::object* table = value.if_object()) {
    std::vector<std::string> parts;
    for (const auto& [name, inner] : *table) {
      parts.push_back(fmt::format("{{\"{}\",{}}}", std::string_view(name), term_of(inner)));
    }
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  return json::serialize(value);
}

// Tabs and line ends would make another table of it.
std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// Columns that hold any JSON, and show it as such, also within JSON.
bool holds_json(std::string_view column) { return column == "definition" || column == "value"; }

std::string cell_of(std::string_view column, const json::value& value) {
  if (holds_json(column)) return one_line(json::serialize(value));
  if (value.is_null()) return "";
  if (const json::string* text = value.if_string()) return one_line(std::string_view(*text));
  if (const json::array* tags = value.if_array(); tags && column == "tags") {
    std::vector<std::string> names;
    for (const json::value& tag : *tags) {
      if (const json::string* name = tag.if_string()) names.push_back(std::string(*name));
    }
    return one_line(fmt::format("[{}]", fmt::join(names, ", ")));
  }
  return one_line(term_of(value));
}

void print_table(CtlCall& call, const std::vector<Column>& columns, const json::array& rows) {
  std::string& out = call.outcome.out;
  std::vector<std::string_view> names;
  for (const Column& column : columns) names.push_back(column.name);
  if (rows.empty()) {
    if (!call.quiet) out += "\n";
    return;
  }
  if (call.headers) out += fmt::format("{}\n", fmt::join(names, "\t"));
  for (const json::value& row : rows) {
    std::vector<std::string> cells;
    for (const Column& column : columns) {
      cells.push_back(cell_of(column.name, field_of(row.as_object(), column.field)));
    }
    out += fmt::format("{}\n", fmt::join(cells, "\t"));
  }
}

void print_json(CtlCall& call, const std::vector<Column>& columns, const json::array& rows) {
  std::string& out = call.outcome.out;
  out += "[\n";
  bool first = true;
  for (const json::value& row : rows) {
    json::object shown;
    for (const Column& column : columns) {
      json::value value = field_of(row.as_object(), column.field);
      if (holds_json(column.name)) value = json::string(json::serialize(value));
      shown[column.name] = value.is_null() ? json::value("") : std::move(value);
    }
    out += (std::exchange(first, false) ? "" : ",") + json::serialize(shown) + "\n";
  }
  out += "]\n";
}

// False when one is not known, which is told.
bool choose(CtlCall& call, const List& list, const std::vector<std::string>& wanted,
            std::vector<Column>& out) {
  std::vector<std::string> unknown;
  for (const std::string& name : wanted) {
    const auto found = std::find_if(list.all.begin(), list.all.end(),
                                    [&name](const Column& one) { return one.name == name; });
    if (found == list.all.end()) {
      unknown.push_back(name);
    } else {
      out.push_back(*found);
    }
  }
  if (unknown.empty()) return true;
  call.outcome.exit_code = exit_usage;
  call.outcome.errors += fmt::format(
      "Error (argument validation): Info key(s) {} are not supported\n", fmt::join(unknown, ","));
  return false;
}

void print_list(CtlCall& call, const List& list, const std::string& banner, const std::string& path,
                const std::vector<std::string>& wanted, std::string_view only_vhost = {}) {
  std::vector<Column> columns;
  if (!choose(call, list, wanted.empty() ? split(list.columns) : wanted, columns)) return;
  if (!call.as_json) call.say(banner);
  json::value answer;
  if (!call.get(path, answer)) return;
  json::array* rows = answer.if_array();
  const bool are_rows = rows && std::all_of(rows->begin(), rows->end(),
                                            [](const json::value& row) { return row.is_object(); });
  if (!are_rows) return call.fail(exit_software, "the answer is no list");
  if (!only_vhost.empty()) {
    rows->erase(std::remove_if(rows->begin(), rows->end(),
                               [&](const json::value& row) {
                                 return cell_of("vhost", field_of(row.get_object(), "vhost")) !=
                                        only_vhost;
                               }),
                rows->end());
  }
  if (call.as_json) {
    print_json(call, columns, *rows);
  } else {
    print_table(call, columns, *rows);
  }
}

template <const List& list>
void print(CtlCall& call) {
  print_list(call, list, filled(list.banner, call.vhost), filled(list.path, path_part(call.vhost)),
             call.words);
}

void print_user_rights(CtlCall& call) {
  const std::string& user = call.words.front();
  const List own = {"", "", "vhost configure write read", own_rights_columns};
  print_list(call, own, fmt::format("Listing permissions for user \"{}\" ...", user),
             "users/" + path_part(user) + "/permissions", {});
}

// The API lists those of all virtual hosts, or of one component.
void print_parameters(CtlCall& call) {
  print_list(call, parameters, filled(parameters.banner, call.vhost), std::string(parameters.path),
             {}, call.vhost);
}

constexpr std::size_t many = 64;
constexpr std::string_view columns_usage = "[COLUMN ...]";

constexpr CtlCommand commands[] = {
    {"list_queues", 0, many, "", columns_usage, print<queues>},
    {"list_exchanges", 0, many, "", columns_usage, print<exchanges>},
    {"list_bindings", 0, many, "", columns_usage, print<bindings>},
    {"list_connections", 0, many, "", columns_usage, print<connections>},
    {"list_channels", 0, many, "", columns_usage, print<channels>},
    {"list_consumers", 0, many, "", columns_usage, print<consumers>},
    {"list_users", 0, 0, "", "", print<users>},
    {"list_vhosts", 0, many, "", columns_usage, print<vhosts>},
    {"list_permissions", 0, 0, "", "", print<rights>},
    {"list_user_permissions", 1, 1, "", "USER", print_user_rights},
    {"list_policies", 0, 0, "", "", print<policies>},
    {"list_operator_policies", 0, 0, "", "", print<operator_policies>},
    {"list_parameters", 0, 0, "", "", print_parameters},
    {"list_global_parameters", 0, 0, "", "", print<global_parameters>},
};

}  // namespace

std::span<const CtlCommand> list_commands() { return commands; }

}  // namespace trv::cli
