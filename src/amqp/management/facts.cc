#include "amqp/management/facts.h"

namespace trv::amqp {

namespace {

ConsumerFacts facts_of(const Subscription& s) {
  ConsumerFacts facts;
  facts.tag = s.tag;
  facts.queue = s.queue;
  facts.arguments = s.arguments;
  facts.id = s.id;
  facts.ack_required = !s.no_ack;
  facts.exclusive = s.exclusive;
  facts.prefetch_count = s.limit;
  facts.timeout = s.settle_time_max;
  return facts;
}

ChannelFacts facts_of(const Channel& channel, MessageCounts::Time now) {
  ChannelFacts facts;
  facts.traffic = channel.counts.at(now);
  facts.number = channel.ref.number;
  facts.confirm = channel.confirms.on();
  facts.transactional = channel.transaction != nullptr;
  facts.prefetch_count = channel.default_limit;
  facts.global_prefetch_count = channel.channel_limit;
  facts.unacknowledged = channel.open_delivery_count();
  facts.unconfirmed = channel.confirms.open_count();
  if (channel.transaction) {
    facts.uncommitted = channel.transaction->messages.size();
    for (const auto& settling : channel.transaction->settlings) {
      facts.uncommitted_acks += settling.entries.size();
    }
  }
  for (const auto& [key, s] : channel.subscriptions) {
    const bool consumes =
        s->state == Subscription::State::live && s->source != Subscription::Source::get;
    if (consumes) facts.consumers.push_back(facts_of(*s));
  }
  return facts;
}

}  // namespace

void Session::set_addresses(std::string peer, std::string local) {
  peer_address_ = std::move(peer);
  local_address_ = std::move(local);
}

SessionFacts Session::facts() const {
  SessionFacts facts;
  facts.peer = peer_address_;
  facts.local = local_address_;
  facts.user = user_;
  facts.vhost = vhost_;
  facts.mechanism = mechanism_;
  facts.client_properties = client_properties_;
  facts.client_name = client_name_;
  facts.opened_at_ms = opened_at_.ms;
  facts.channel_max = channel_max_;
  facts.frame_max = frame_max_;
  facts.heartbeat_seconds = heartbeat_seconds_;
  facts.octets = output_.octets();
  facts.running = state_ == State::running;
  for (const auto& [number, channel] : channels_) {
    if (channel->state != Channel::State::open) continue;
    facts.channels.push_back(facts_of(*channel, broker().core().now()));
  }
  return facts;
}

}  // namespace trv::amqp
