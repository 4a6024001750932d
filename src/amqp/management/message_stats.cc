#include "amqp/management/message_stats.h"

#include <array>
#include <string>
#include <string_view>

namespace trv::amqp {

namespace {

namespace json = boost::json;

// By the numbers of the events.
constexpr std::array<std::string_view, 11> message_names = {
    "publish", "confirm",    "return_unroutable", "drop_unroutable", "deliver", "deliver_no_ack",
    "get",     "get_no_ack", "get_empty",         "redeliver",       "ack"};
constexpr std::array<std::string_view, 2> exchange_names = {"publish_in", "publish_out"};
constexpr std::array<std::string_view, 8> queue_names = {
    "publish", "deliver", "deliver_no_ack", "get", "get_no_ack", "get_empty", "redeliver", "ack"};
constexpr std::array<std::string_view, 2> octet_names = {"recv_oct", "send_oct"};
constexpr std::array<std::string_view, 5> churn_names = {"connection_created", "connection_closed",
                                                         "channel_created", "channel_closed",
                                                         "queue_declared"};
constexpr std::array<std::string_view, 2> queue_churn_names = {"queue_created", "queue_deleted"};

void put(json::object& object, std::string_view name, std::uint64_t count, double rate) {
  object[name] = count;
  object[std::string(name) + "_details"] = json::object{{"rate", rate}};
}

template <std::size_t kinds>
void put_all(json::object& object, const std::array<std::string_view, kinds>& names,
             const EventTotals<kinds>& totals) {
  for (std::size_t i = 0; i < kinds; ++i) put(object, names[i], totals.counts[i], totals.rates[i]);
}

// Every message that went out, one way or another.
template <class Event, std::size_t kinds>
void put_deliveries(json::object& object, const EventTotals<kinds>& totals,
                    const std::array<Event, 4>& ways) {
  std::uint64_t count = 0;
  double rate = 0;
  for (const Event way : ways) {
    count += totals.counts[static_cast<std::size_t>(way)];
    rate += totals.rates[static_cast<std::size_t>(way)];
  }
  put(object, "deliver_get", count, rate);
}

}  // namespace

json::object message_stats(const MessageCounts::Totals& totals) {
  using enum MessageEvent;
  json::object object;
  put_all(object, message_names, totals);
  put_deliveries(object, totals, std::array{deliver, deliver_no_ack, get, get_no_ack});
  return object;
}

json::object message_stats(const ExchangeCounts::Totals& totals) {
  json::object object;
  put_all(object, exchange_names, totals);
  return object;
}

json::object message_stats(const broker::QueueTraffic::Totals& totals) {
  using enum broker::QueueEvent;
  json::object object;
  put_all(object, queue_names, totals);
  put_deliveries(object, totals, std::array{delivered, delivered_settled, taken, taken_settled});
  return object;
}

void put_octets(json::object& into, const OctetCounts::Totals& totals) {
  put_all(into, octet_names, totals);
}

json::object churn_rates(const ChurnCounts::Totals& sessions,
                         const EventCounts<broker::QueuesEvent>::Totals& queues) {
  json::object object;
  put_all(object, churn_names, sessions);
  put_all(object, queue_churn_names, queues);
  return object;
}

}  // namespace trv::amqp
