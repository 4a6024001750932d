// Subscription: a consumer of a channel, or the channel's hold on a queue that it uses basic.get
// on.
//
// Owner: its Channel. It lives on after cancellation until its last delivery is settled.
//
// Credit: the broker pushes as many deliveries as were granted. `granted` counts those not arrived;
// with those not settled they never exceed the limit that the client set, and are never more than a
// window which follows the size of the messages, so that an unlimited consumer does not make the
// broker queue without bound for a slow peer.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "broker/queues.h"

namespace trv::amqp {

// What becomes of a delivery.
enum class How : std::uint8_t {
  complete,
  release,  // back to its queue
  fail,     // the same, as failed
  discard,
};

// Settlements that the broker is not told of yet.
struct Settled {
  std::vector<Sequence> completed;
  std::vector<Sequence> released;
  std::vector<Sequence> failed;
  std::vector<Sequence> discarded;

  bool empty() const {
    return completed.empty() && released.empty() && failed.empty() && discarded.empty();
  }
  std::vector<Sequence>& of(How how) {
    switch (how) {
      case How::complete:
        return completed;
      case How::release:
        return released;
      case How::fail:
        return failed;
      case How::discard:
        return discarded;
    }
    return released;
  }
};

struct Subscription {
  enum class State : std::uint8_t {
    opening,  // the queue's owner has been asked
    live,
    cancelling,  // the owner has been told to stop
    gone,        // no delivery will come; unsettled ones may still be settled
  };
  enum class Source : std::uint8_t {
    queue,   // pushed, settled one by one
    stream,  // a log that is no queue: read from a place, settling gives credit
    get,     // taken one by one
    reply,   // answers sent straight to the channel: no queue, no broker
  };

  std::uint64_t key = 0;  // unique in its connection
  State state = State::opening;
  Source source = Source::queue;
  std::string tag;
  std::string queue;
  std::string location;  // for Broker::at
  CoreIndex core;        // that owns it; known once live
  ConsumerId id;         // the owner's name for it
  bool no_ack = false;
  bool exclusive = false;
  std::string arguments;    // as given: a table
  std::uint32_t limit = 0;  // unsettled deliveries; 0 is none
  std::uint32_t unsettled = 0;
  std::uint32_t granted = 0;
  std::uint32_t window = window_start;
  // Arrived, and kept back by the channel's own limit.
  std::deque<broker::Delivery> held;
  Settled settled;               // since the last flush
  std::uint64_t read_count = 0;  // the same of a stream: how many are done
  bool touched = false;          // entered in its channel's list for the next flush
  // How long a delivery may wait for its settlement, by the queue's own rule.
  std::optional<std::chrono::milliseconds> settle_time_max;
  bool counted = false;      // the queue counts failures, and says so in headers
  std::uint64_t secret = 0;  // of a reply consumer: part of its address

  static constexpr std::uint32_t window_start = 64;
  static constexpr std::uint32_t window_max = 4096;
  static constexpr std::size_t window_bytes = 4u << 20;
};

}  // namespace trv::amqp
