// Facts as the objects of RabbitMQ's HTTP API. Pure; for any thread.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "amqp/management/facts.h"
#include "amqp/traffic.h"
#include "broker/queues.h"
#include "model/policies.h"
#include "model/router.h"

namespace trv::auth {
class Directory;
}

namespace trv::amqp {

// A queue as it is listed: of the broker, or a log that was declared as a stream.
struct ListedQueue {
  std::string name;  // the broker's
  std::string type;  // classic, quorum, stream
  std::string arguments;
  bool durable = true;
  bool exclusive = false;
  bool auto_delete = false;
  bool single_active = false;
  ConsumerId active;
  // Of consumers that others have to wait for.
  std::optional<std::string> exclusive_tag;
  std::optional<std::string> active_tag;
  std::uint64_t ready = 0;
  std::uint64_t unacknowledged = 0;
  std::size_t memory_bytes = 0;
  std::uint32_t consumers = 0;
  std::string policy;
  std::string operator_policy;
  broker::QueueTraffic::Totals traffic;
  broker::LengthRates length_rates;
};

using ExchangeTraffic = Traffic::Named<ExchangeCounts>;

boost::json::array render_connections(std::span<const SessionFacts> sessions);
boost::json::array render_channels(std::span<const SessionFacts> sessions);
// `queues` tell which consumer is the active one.
boost::json::array render_consumers(std::span<const SessionFacts> sessions,
                                    std::span<const ListedQueue> queues);
boost::json::array render_queues(std::span<const ListedQueue> queues);
// Every virtual host has a default exchange.
boost::json::array render_exchanges(const model::Router& router, const auth::Directory& directory,
                                    const model::Policies& policies,
                                    const ExchangeTraffic& traffic);
// Also those by which the default exchange reaches every queue.
boost::json::array render_bindings(const model::Router& router,
                                   std::span<const ListedQueue> queues);
// What tells a binding from others between the same two, as a part of a path: "~" for no key and no
// arguments; else the key, encoded, and behind "~" a hash of the arguments, if there are any.
std::string properties_key(std::string_view key, ByteView arguments);

}  // namespace trv::amqp
