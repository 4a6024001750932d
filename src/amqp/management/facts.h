// What operators are told of connections, as plain values that may leave their core.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "amqp/output.h"
#include "amqp/session.h"
#include "amqp/traffic.h"
#include "base/ids.h"

namespace trv::amqp {

struct ConsumerFacts {
  std::string tag;
  std::string queue;
  std::string arguments;  // a table
  ConsumerId id;          // the queue's own name for it
  bool ack_required = true;
  bool exclusive = false;
  std::uint32_t prefetch_count = 0;
  std::optional<std::chrono::milliseconds> timeout;
};

struct ChannelFacts {
  std::uint16_t number = 0;
  bool confirm = false;
  bool transactional = false;
  std::uint32_t prefetch_count = 0;
  std::uint32_t global_prefetch_count = 0;
  std::uint64_t unacknowledged = 0;
  std::uint64_t unconfirmed = 0;
  std::uint64_t uncommitted = 0;
  std::uint64_t uncommitted_acks = 0;
  MessageCounts::Totals traffic;
  std::vector<ConsumerFacts> consumers;
};

struct SessionFacts {
  std::string peer;   // "address:port"
  std::string local;  // the same
  std::string user;
  std::string vhost;
  std::string mechanism;
  std::string client_properties;  // a table
  std::string client_name;
  std::int64_t opened_at_ms = 0;
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat_seconds = 0;
  bool running = false;
  OctetCounts::Totals octets;
  std::vector<ChannelFacts> channels;

  // As operators name it.
  std::string name() const { return peer + " -> " + local; }
};

}  // namespace trv::amqp
