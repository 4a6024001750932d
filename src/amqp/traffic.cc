#include "amqp/traffic.h"

#include <algorithm>

#include "amqp/session.h"
#include "auth/directory.h"
#include "broker/catalog.h"

namespace trv::amqp {

std::shared_ptr<MessageCounts> Traffic::vhost(const std::string& name) {
  std::shared_ptr<MessageCounts>& counts = vhosts_[name];
  if (!counts) counts = std::make_shared<MessageCounts>();
  return counts;
}

std::shared_ptr<ExchangeCounts> Traffic::exchange(const std::string& name,
                                                  const model::Router& there) {
  const auto found = exchanges_.find(name);
  if (found != exchanges_.end()) return found->second;
  if (exchanges_.size() >= look_at_) forget_gone(there);
  return exchanges_.emplace(name, std::make_shared<ExchangeCounts>()).first->second;
}

void Traffic::forget_gone(const model::Router& there) {
  std::erase_if(exchanges_, [&there](const auto& one) { return !there.find(one.first); });
  look_at_ = std::max(first_look, 2 * exchanges_.size());
}

Traffic::Named<MessageCounts> Traffic::vhosts(const auth::Directory& there, Time now) {
  std::erase_if(vhosts_, [&there](const auto& one) { return !there.vhosts().contains(one.first); });
  Named<MessageCounts> all;
  for (const auto& [name, counts] : vhosts_) all.emplace(name, counts->at(now));
  return all;
}

Traffic::Named<ExchangeCounts> Traffic::exchanges(const model::Router& there, Time now) {
  forget_gone(there);
  Named<ExchangeCounts> all;
  for (const auto& [name, counts] : exchanges_) all.emplace(name, counts->at(now));
  return all;
}

void Session::count(Channel& channel, MessageEvent event, std::uint64_t count) {
  const runtime::SteadyTime now = broker().core().now();
  channel.counts.add(event, now, count);
  if (vhost_counts_) vhost_counts_->add(event, now, count);
}

void Session::count(ChurnEvent event) {
  if (peer_address_.empty()) return;  // an operation's
  services_.traffic.churn().add(event, broker().core().now());
}

void Session::count_publish(Channel& channel, bool mandatory, ExchangeCounts& exchange,
                            std::size_t routed) {
  count(channel, MessageEvent::publish);
  exchange.add(ExchangeEvent::publish_in, broker().core().now());
  if (routed > 0) {
    exchange.add(ExchangeEvent::publish_out, broker().core().now(), routed);
  } else {
    count(channel, mandatory ? MessageEvent::return_unroutable : MessageEvent::drop_unroutable);
  }
}

std::shared_ptr<ExchangeCounts> Session::exchange_counts(const std::string& name) const {
  return services_.traffic.exchange(name, *broker().catalog().snapshot());
}

}  // namespace trv::amqp
