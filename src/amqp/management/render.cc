#include "amqp/management/render.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <deque>
#include <unordered_map>

#include "amqp/management/json_table.h"
#include "amqp/management/message_stats.h"
#include "auth/directory.h"
#include "base/base64.h"
#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

namespace json = boost::json;

// The largest number that everybody reads exactly: clients want one where there is no limit, too.
constexpr std::int64_t never_ms = (std::int64_t{1} << 53) - 1;

// "127.0.0.1:5672" or "[::1]:5672" in its parts.
std::pair<std::string, std::int64_t> address_parts(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, 0};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, std::atoi(address.c_str() + colon + 1)};
}

std::string channel_name(const SessionFacts& session, const ChannelFacts& channel) {
  return fmt::format("{} ({})", session.name(), channel.number);
}

json::object connection_of(const SessionFacts& session) {
  const auto [peer_host, peer_port] = address_parts(session.peer);
  return {{"name", session.name()}, {"peer_host", peer_host}, {"peer_port", peer_port}};
}

json::object render(const SessionFacts& session) {
  json::object object = connection_of(session);
  const auto [host, port] = address_parts(session.local);
  object["host"] = host;
  object["port"] = port;
  object["vhost"] = text_to_json(session.vhost);
  object["user"] = text_to_json(session.user);
  object["user_who_performed_action"] = object["user"];
  put_octets(object, session.octets);
  object["protocol"] = "AMQP 0-9-1";
  object["type"] = "network";
  object["ssl"] = false;
  object["auth_mechanism"] = session.mechanism;
  object["connected_at"] = session.opened_at_ms;
  object["state"] = session.running ? "running" : "closing";
  object["channels"] = session.channels.size();
  object["channel_max"] = session.channel_max;
  object["frame_max"] = session.frame_max;
  object["timeout"] = session.heartbeat_seconds;
  object["client_properties"] = table_to_json(session.client_properties);
  if (!session.client_name.empty()) {
    object["user_provided_name"] = text_to_json(session.client_name);
  }
  return object;
}

json::object render(const SessionFacts& session, const ChannelFacts& channel) {
  return {{"name", channel_name(session, channel)},
          {"number", channel.number},
          {"connection_details", connection_of(session)},
          {"user", text_to_json(session.user)},
          {"user_who_performed_action", text_to_json(session.user)},
          {"vhost", text_to_json(session.vhost)},
          {"state", "running"},
          {"confirm", channel.confirm},
          {"transactional", channel.transactional},
          {"consumer_count", channel.consumers.size()},
          {"prefetch_count", channel.prefetch_count},
          {"global_prefetch_count", channel.global_prefetch_count},
          {"messages_unacknowledged", channel.unacknowledged},
          {"messages_unconfirmed", channel.unconfirmed},
          {"messages_uncommitted", channel.uncommitted},
          {"acks_uncommitted", channel.uncommitted_acks}};
}

json::object render(const SessionFacts& session, const ChannelFacts& channel,
                    const ConsumerFacts& consumer, bool active) {
  json::object details = {{"name", channel_name(session, channel)},
                          {"number", channel.number},
                          {"connection_name", session.name()},
                          {"user", text_to_json(session.user)}};
  const auto [peer_host, peer_port] = address_parts(session.peer);
  details["peer_host"] = peer_host;
  details["peer_port"] = peer_port;
  json::object object;
  object["consumer_tag"] = text_to_json(consumer.tag);
  object["queue"] = {{"name", text_to_json(local_name(consumer.queue))},
                     {"vhost", text_to_json(session.vhost)}};
  object["channel_details"] = std::move(details);
  object["ack_required"] = consumer.ack_required;
  object["prefetch_count"] = consumer.prefetch_count;
  object["exclusive"] = consumer.exclusive;
  object["active"] = active;
  object["activity_status"] = active ? "single_active" : "waiting";
  object["arguments"] = table_to_json(consumer.arguments);
  object["consumer_timeout"] = consumer.timeout ? consumer.timeout->count() : never_ms;
  return object;
}

json::value name_or_null(const std::string& name) {
  if (name.empty()) return nullptr;
  return text_to_json(local_name(name));
}

json::value text_or_null(const std::optional<std::string>& text) {
  if (!text) return nullptr;
  return text_to_json(*text);
}

json::value vhost_of(std::string_view name) { return text_to_json(scope_of(name)); }

std::string exchange_type(const model::Exchange& exchange) {
  return exchange.delayed ? "x-delayed-message" : model::to_string(exchange.kind);
}

json::object render(const model::Exchange& exchange) {
  return {{"name", text_to_json(local_name(exchange.name))},
          {"vhost", vhost_of(exchange.name)},
          {"type", exchange_type(exchange)},
          {"durable", exchange.durable},
          {"auto_delete", exchange.auto_delete},
          {"internal", exchange.internal},
          {"arguments", table_to_json(exchange.arguments)}};
}

json::object render(const model::Binding& binding) {
  return {{"source", text_to_json(local_name(binding.source))},
          {"vhost", vhost_of(binding.target)},
          {"destination", text_to_json(local_name(binding.target))},
          {"destination_type", binding.to_exchange ? "exchange" : "queue"},
          {"routing_key", text_to_json(binding.key)},
          {"arguments", table_to_json(binding.arguments)},
          {"properties_key", properties_key(binding.key, binding.arguments)}};
}

}  // namespace

std::string properties_key(std::string_view key, ByteView arguments) {
  if (key.empty() && arguments.empty()) return "~";
  std::string out;
  for (const char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  if (!arguments.empty()) {
    out += fmt::format("~{:016x}", XXH64(arguments.data(), arguments.size(), 0));
  }
  return out;
}

json::array render_connections(std::span<const SessionFacts> sessions) {
  json::array out;
  for (const SessionFacts& session : sessions) out.push_back(render(session));
  return out;
}

json::array render_channels(std::span<const SessionFacts> sessions) {
  json::array out;
  for (const SessionFacts& session : sessions) {
    for (const ChannelFacts& channel : session.channels) {
      json::object object = render(session, channel);
      if (channel.traffic.any()) object["message_stats"] = message_stats(channel.traffic);
      out.push_back(std::move(object));
    }
  }
  return out;
}

json::array render_consumers(std::span<const SessionFacts> sessions,
                             std::span<const ListedQueue> queues) {
  std::unordered_map<std::string_view, ConsumerId> active;
  for (const ListedQueue& queue : queues) {
    if (queue.single_active) active[queue.name] = queue.active;
  }
  json::array out;
  for (const SessionFacts& session : sessions) {
    for (const ChannelFacts& channel : session.channels) {
      for (const ConsumerFacts& consumer : channel.consumers) {
        const auto one = active.find(consumer.queue);
        const bool is_active = one == active.end() || one->second == consumer.id;
        json::object object = render(session, channel, consumer, is_active);
        if (one == active.end()) object["activity_status"] = "up";
        out.push_back(std::move(object));
      }
    }
  }
  return out;
}

json::array render_queues(std::span<const ListedQueue> queues) {
  json::array out;
  for (const ListedQueue& queue : queues) {
    json::object object = {{"name", text_to_json(local_name(queue.name))},
                           {"vhost", vhost_of(queue.name)},
                           {"type", queue.type},
                           {"durable", queue.durable},
                           {"auto_delete", queue.auto_delete},
                           {"exclusive", queue.exclusive},
                           {"arguments", table_to_json(queue.arguments)},
                           {"state", "running"},
                           {"policy", name_or_null(queue.policy)},
                           {"operator_policy", name_or_null(queue.operator_policy)},
                           {"exclusive_consumer_tag", text_or_null(queue.exclusive_tag)},
                           {"single_active_consumer_tag", text_or_null(queue.active_tag)},
                           {"consumers", queue.consumers},
                           {"messages", queue.ready + queue.unacknowledged},
                           {"messages_ready", queue.ready},
                           {"messages_unacknowledged", queue.unacknowledged},
                           {"memory", queue.memory_bytes}};
    const broker::LengthRates& rates = queue.length_rates;
    object["messages_details"] = {{"rate", rates.ready + rates.outstanding}};
    object["messages_ready_details"] = {{"rate", rates.ready}};
    object["messages_unacknowledged_details"] = {{"rate", rates.outstanding}};
    if (queue.traffic.any()) object["message_stats"] = message_stats(queue.traffic);
    out.push_back(std::move(object));
  }
  return out;
}

json::array render_exchanges(const model::Router& router, const auth::Directory& directory,
                             const model::Policies& policies, const ExchangeTraffic& traffic) {
  std::vector<const model::Exchange*> all = router.exchanges();
  std::deque<model::Exchange> defaults;
  for (const auto& [vhost, facts] : directory.vhosts()) {
    if (vhost == first_scope) continue;  // among the others
    defaults.emplace_back().name = scoped(vhost, "");
    all.push_back(&defaults.back());
  }
  std::sort(all.begin(), all.end(), [](const model::Exchange* a, const model::Exchange* b) {
    return std::pair(scope_of(a->name), local_name(a->name)) <
           std::pair(scope_of(b->name), local_name(b->name));
  });
  json::array out;
  for (const model::Exchange* exchange : all) {
    json::object object = render(*exchange);
    const model::Policy* policy =
        policies.match(model::PolicyClass::users, model::PolicyTarget::exchanges, exchange->name);
    if (policy) object["policy"] = name_or_null(policy->name);
    const auto found = traffic.find(exchange->name);
    if (found != traffic.end()) object["message_stats"] = message_stats(found->second);
    out.push_back(std::move(object));
  }
  return out;
}

json::array render_bindings(const model::Router& router, std::span<const ListedQueue> queues) {
  json::array out;
  for (const ListedQueue& queue : queues) {
    model::Binding binding;
    binding.target = queue.name;
    binding.key = local_name(queue.name);
    out.push_back(render(binding));
  }
  for (const model::Binding& binding : router.bindings()) {
    json::object object = render(binding);
    // For those who ask on: whether it outlives a restart, and its table's own bytes.
    object["durable"] = binding.durable;
    object["table"] = base64_encode(binding.arguments);
    out.push_back(std::move(object));
  }
  return out;
}

}  // namespace trv::amqp
