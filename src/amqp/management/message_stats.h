// What was counted, as RabbitMQ's HTTP API tells of it: "X" and "X_details". Pure; for any thread.
#pragma once

#include <boost/json/object.hpp>

#include "amqp/output.h"
#include "amqp/traffic.h"
#include "broker/queues.h"

namespace trv::amqp {

boost::json::object message_stats(const MessageCounts::Totals& totals);
boost::json::object message_stats(const ExchangeCounts::Totals& totals);
boost::json::object message_stats(const broker::QueueTraffic::Totals& totals);

// "recv_oct" and "send_oct".
void put_octets(boost::json::object& into, const OctetCounts::Totals& totals);

// "churn_rates".
boost::json::object churn_rates(const ChurnCounts::Totals& sessions,
                                const EventCounts<broker::QueuesEvent>::Totals& queues);

}  // namespace trv::amqp
