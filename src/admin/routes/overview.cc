// overview, nodes, and what else tells of the broker as a whole.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/listing.h"
#include "admin/parameters.h"
#include "admin/process.h"
#include "admin/routes.h"
#include "admin/totals.h"
#include "broker/broker.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using Subject = broker::Operations::Subject;
using runtime::Task;

// Whose API this is: some clients ask what they may expect.
constexpr std::string_view imitated_version = "4.2.0";

constexpr std::string_view no_erlang = "none";

struct ExchangeType {
  std::string_view name;
  std::string_view description;
};
constexpr ExchangeType exchange_types[] = {
    {"direct", "by the routing key of the binding"},
    {"fanout", "to all that is bound"},
    {"topic", "by patterns of routing keys"},
    {"headers", "by headers"},
    {"x-consistent-hash", "to one of all that is bound, by a hash"},
    {"x-delayed-message", "as another type, later"},
};

json::array exchange_type_list() {
  json::array types;
  for (const ExchangeType& type : exchange_types) {
    types.push_back({{"name", type.name}, {"description", type.description}, {"enabled", true}});
  }
  return types;
}

json::array listener_list(const Facts& facts) {
  json::array listeners;
  for (const ListeningPort& one : facts.ports) {
    listeners.push_back({{"node", facts.node},
                         {"protocol", one.protocol},
                         {"ip_address", facts.bind},
                         {"port", one.port}});
  }
  return listeners;
}

json::object sum_of_stats(const json::array& items) {
  json::object sum;
  for (const json::value& item : items) add_stats(sum, item.at("message_stats").as_object());
  return sum;
}

// Where this API is.
json::array context_list(const Facts& facts) {
  json::array contexts;
  for (const ListeningPort& one : facts.ports) {
    if (one.protocol != "http") continue;
    contexts.push_back({{"node", facts.node},
                        {"description", "Management"},
                        {"path", "/"},
                        {"ip", facts.bind},
                        {"port", one.port}});
  }
  return contexts;
}

void put_versions(json::object& object) {
  object["rabbitmq_version"] = imitated_version;
  object["erlang_version"] = no_erlang;
  object["erlang_full_version"] = no_erlang;
}

// What is kept free of the disk (docs/compatibility.md).
std::int64_t disk_free_limit(const Facts& facts, const ProcessFacts& process) {
  if (facts.disk_free_min == 0) return 0;
  return std::max(static_cast<std::int64_t>(facts.disk_free_min), process.disk_total / 100);
}

// Nothing is 0, too.
json::object queue_totals(const json::array& queues) {
  json::object none = {{"rate", 0.0}};
  json::object totals = {{"messages", 0},
                         {"messages_details", none},
                         {"messages_ready", 0},
                         {"messages_ready_details", none},
                         {"messages_unacknowledged", 0},
                         {"messages_unacknowledged_details", none}};
  LengthTotals sums;
  for (const json::value& queue : queues) sums.add(queue.as_object());
  sums.put(totals);
  return totals;
}

Task<Reply> overview(Context& context, Request request) {
  const Facts& facts = context.facts();
  const json::array queues = in_sight(request, co_await context.list(Subject::queues));
  const json::array exchanges = in_sight(request, co_await context.list(Subject::exchanges));
  const json::array connections = in_sight(request, co_await context.list(Subject::connections));
  const json::array channels = in_sight(request, co_await context.list(Subject::channels));
  const json::array consumers = in_sight(request, co_await context.list(Subject::consumers));
  json::object object;
  object["product_name"] = "Trivium";
  object["product_version"] = facts.version;
  object["management_version"] = imitated_version;
  put_versions(object);
  object["cluster_name"] = cluster_name(*request.access, facts.cluster);
  object["node"] = facts.node;
  object["rates_mode"] = "basic";
  object["disable_stats"] = false;
  object["statistics_db_event_queue"] = 0;
  object["contexts"] = context_list(facts);
  object["enable_queue_totals"] = true;
  object["exchange_types"] = exchange_type_list();
  object["listeners"] = listener_list(facts);
  object["message_stats"] =
      sum_of_stats(in_sight(request, co_await context.list(Subject::traffic)));
  object["churn_rates"] = (co_await context.list(Subject::churn)).at(0);
  object["queue_totals"] = queue_totals(queues);
  object["object_totals"] = {{"queues", queues.size()},
                             {"exchanges", exchanges.size()},
                             {"connections", connections.size()},
                             {"channels", channels.size()},
                             {"consumers", consumers.size()}};
  co_return shown(request, std::move(object));
}

Task<json::object> node(Context& context) {
  const Facts& facts = context.facts();
  const bool disk_full =
      co_await context.ask<bool>([](broker::Broker& home, UniqueFunction<void(bool)> answer) {
        answer(home.short_of_space());
      });
  const ProcessFacts process = process_facts(facts.data_dir);
  json::object object;
  object["name"] = facts.node;
  object["type"] = "disc";
  object["running"] = true;
  object["being_drained"] = false;
  object["os_pid"] = std::to_string(process.id);
  object["uptime"] =
      std::chrono::duration_cast<std::chrono::milliseconds>(context.core().now() - facts.started)
          .count();
  object["processors"] = process.processors;
  object["proc_used"] = process.threads;
  object["proc_total"] = process.threads_max;
  object["run_queue"] = process.threads_running;
  object["sockets_used"] = process.sockets_open;
  object["sockets_total"] = process.files_max;
  object["fd_used"] = process.files_open;
  object["fd_total"] = process.files_max;
  object["mem_used"] = process.memory_used;
  object["mem_limit"] = process.memory_total;
  object["mem_alarm"] = false;
  object["mem_calculation_strategy"] = "rss";
  object["disk_free"] = process.disk_free;
  object["disk_free_limit"] = disk_free_limit(facts, process);
  object["disk_free_alarm"] = disk_full;
  object["rates_mode"] = "basic";
  object["db_dir"] = facts.data_dir;
  object["exchange_types"] = exchange_type_list();
  object["auth_mechanisms"] = {
      {{"name", "PLAIN"}, {"description", "name and password"}, {"enabled", true}},
      {{"name", "AMQPLAIN"}, {"description", "name and password in a table"}, {"enabled", true}}};
  object["applications"] = json::array();
  object["contexts"] = context_list(facts);
  put_versions(object);
  const json::array churn = co_await context.list(Subject::churn);
  for (const auto& [name, value] : churn.at(0).as_object()) object[name] = value;
  object["enabled_plugins"] = json::array();
  object["partitions"] = json::array();
  co_return object;
}

Task<Reply> list_nodes(Context& context, Request request) {
  json::array nodes;
  nodes.push_back(co_await node(context));
  co_return listed(request, std::move(nodes));
}

Task<Reply> show_node(Context& context, Request request) {
  if (request.param("name") != context.facts().node) co_return not_found();
  co_return shown(request, co_await node(context));
}

Task<Reply> version(Context& context, Request) {
  co_return Reply{200, "text/plain", context.facts().version, {}};
}

// Of what there is none here.
Task<Reply> nothing(Context&, Request request) { co_return listed(request, {}); }

Task<Reply> auth(Context&, Request) { co_return ok(json::object{{"oauth_enabled", false}}); }

constexpr Route table[] = {
    {"GET", "/overview", Rank::management, overview},
    {"GET", "/nodes", Rank::monitoring, list_nodes},
    {"GET", "/nodes/{name}", Rank::monitoring, show_node},
    {"GET", "/version", Rank::management, version},
    {"GET", "/auth", Rank::management, auth},
    {"GET", "/extensions", Rank::management, nothing},
    {"GET", "/feature-flags", Rank::management, nothing},
    {"GET", "/deprecated-features", Rank::management, nothing},
    {"GET", "/deprecated-features/used", Rank::management, nothing},
    {"GET", "/shovels", Rank::monitoring, nothing},
    {"GET", "/federation-links", Rank::monitoring, nothing},
};

}  // namespace

std::span<const Route> overview_routes() { return table; }

}  // namespace trv::admin
