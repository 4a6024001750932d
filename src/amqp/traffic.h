// Traffic: what the sessions of a core have done with messages, exchanges and connections, as
// operators are told of it. What happens in queues is counted where they are (broker/queues.h).
//
// Owner: the Server of the core.
//
// Invariant: what is kept by name is bounded by what there is of these names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/event_counts.h"
#include "model/router.h"

namespace trv::auth {
class Directory;
}  // namespace trv::auth

namespace trv::amqp {

enum class MessageEvent : std::uint8_t {
  publish,
  confirm,
  return_unroutable,
  drop_unroutable,
  deliver,
  deliver_no_ack,
  get,
  get_no_ack,
  get_empty,
  redeliver,  // besides one of the four deliveries
  ack,
  count_
};
using MessageCounts = EventCounts<MessageEvent>;

enum class ExchangeEvent : std::uint8_t {
  publish_in,   // by clients; what another exchange passes on does not count
  publish_out,  // a message for each queue that it reached
  count_
};
using ExchangeCounts = EventCounts<ExchangeEvent>;

enum class ChurnEvent : std::uint8_t {
  connection_created,
  connection_closed,
  channel_created,
  channel_closed,
  queue_declared,  // asked for, whether it was there or not
  count_
};
using ChurnCounts = EventCounts<ChurnEvent>;

class Traffic {
 public:
  using Time = ExchangeCounts::Time;
  template <class Counts>
  using Named = std::map<std::string, typename Counts::Totals>;

  // Stay good for whoever holds them, also when the name is gone.
  std::shared_ptr<MessageCounts> vhost(const std::string& name);
  std::shared_ptr<ExchangeCounts> exchange(const std::string& name, const model::Router& there);
  ChurnCounts& churn() { return churn_; }

  // Of those that are still there.
  Named<MessageCounts> vhosts(const auth::Directory& there, Time now);
  Named<ExchangeCounts> exchanges(const model::Router& there, Time now);
  ChurnCounts::Totals churn(Time now) const { return churn_.at(now); }

 private:
  template <class Counts>
  using ByName = std::unordered_map<std::string, std::shared_ptr<Counts>>;
  static constexpr std::size_t first_look = 64;

  void forget_gone(const model::Router& there);

  ByName<MessageCounts> vhosts_;
  ByName<ExchangeCounts> exchanges_;
  std::size_t look_at_ = first_look;  // exchanges, to see which are gone
  ChurnCounts churn_;
};

}  // namespace trv::amqp
