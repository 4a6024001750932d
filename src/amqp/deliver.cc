// Session: deliveries on their way to the client, and the credit that lets them come.
#include <algorithm>

#include "amqp/convert.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "base/assert.h"
#include "base/mutant.h"

namespace trv::amqp {

namespace {

// With more than this waiting to be sent, consumers get no further credit.
constexpr std::size_t unsent_max = 4u << 20;
// With more than this, answers to a reply consumer are dropped.
constexpr std::size_t unsent_replies_max = 64u << 20;
// A body up to this size is copied into one write with its frames; larger ones are sent in place.
constexpr std::size_t body_copy_max = 4096;

void adapt_window(Subscription& s, const std::vector<broker::Delivery>& deliveries) {
  std::size_t bytes = 0;
  for (const broker::Delivery& d : deliveries) bytes += d.record.value ? d.record.value->size() : 0;
  const std::size_t mean = bytes / deliveries.size() + 1;
  s.window = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(Subscription::window_bytes / mean, 1, Subscription::window_max));
}

}  // namespace

Additions additions_of(const Subscription& s, const broker::Delivery& delivery) {
  Additions additions;
  additions.stream_offset = s.source == Subscription::Source::stream;
  if (s.counted) {
    additions.failure_count = delivery.failure_count;
    additions.acquired_count = delivery.delivery_count - 1;
  }
  return additions;
}

void Session::deliver(ChannelRef ref, std::uint64_t key, std::vector<broker::Delivery> deliveries) {
  // Without a taker nothing is lost: the broker was told, or is about to be, that the consumer
  // goes, and then puts back what it holds.
  Channel* channel = find_open(ref);
  if (!channel || state_ != State::running || deliveries.empty()) return;
  Subscription* s = channel->find_subscription(key);
  if (!s || s->state == Subscription::State::gone) return;
  const auto count = static_cast<std::uint32_t>(deliveries.size());
  s->granted -= std::min(s->granted, count);
  adapt_window(*s, deliveries);
  for (broker::Delivery& delivery : deliveries) {
    const bool full = channel->channel_limit != 0 && !s->no_ack &&
                      !TRV_MUTANT(channel_prefetch_ignored) &&
                      channel->unsettled_count() >= channel->channel_limit;
    if (full || !s->held.empty()) {
      s->held.push_back(std::move(delivery));
    } else {
      write_delivery(*channel, *s, delivery);
    }
  }
  grant(*channel, *s);
}

void Session::deliver_reply(ChannelRef ref, std::uint64_t secret, model::StoredRecord record) {
  Channel* channel = find_open(ref);
  Subscription* s = channel ? channel->find_reply_consumer() : nullptr;
  if (!s || s->secret != secret || state_ != State::running) return;
  // Nothing holds answers back, so a client that does not read loses them.
  if (output_.unsent() > unsent_replies_max) return;
  write_delivery(*channel, *s, broker::Delivery{.sequence = {}, .record = std::move(record)});
}

void Session::send_held(Channel& channel) {
  // In turn, so that no consumer of the channel starves the others.
  while (Subscription* s = channel.next_with_held()) {
    if (channel.channel_limit != 0 && channel.unsettled_count() >= channel.channel_limit) return;
    const broker::Delivery delivery = std::move(s->held.front());
    s->held.pop_front();
    write_delivery(channel, *s, delivery);
    channel.held_turn = s->key;
  }
  grant_all(channel);
}

void Session::write_delivery(Channel& channel, Subscription& s, const broker::Delivery& delivery) {
  Rendered rendered;
  render(broker(), s.queue, delivery.record, additions_of(s, delivery),
         frame_max_ - wire::content_overhead, rendered);
  const std::uint64_t tag = note_delivery(channel, s, delivery.sequence);
  if (s.source != Subscription::Source::reply) {
    count(channel, s.no_ack ? MessageEvent::deliver_no_ack : MessageEvent::deliver);
    if (delivery.redelivered) count(channel, MessageEvent::redeliver);
  }
  scratch_.clear();
  wire::write_method_frame(scratch_, channel.ref.number,
                           wire::BasicDeliver{.consumer_tag = s.tag,
                                              .delivery_tag = tag,
                                              .redelivered = delivery.redelivered,
                                              .exchange = rendered.exchange,
                                              .routing_key = rendered.routing_key});
  write_content(channel.ref.number, rendered.properties, rendered.body);
}

void Session::write_content(std::uint16_t channel, ByteView properties, const Slice& body) {
  wire::write_content_header(scratch_, channel, body.size(), properties);
  const std::size_t part_max = frame_max_ - wire::frame_overhead;
  if (body.size() <= body_copy_max && body.size() <= part_max) {
    if (!body.empty()) {
      wire::write_frame_head(scratch_, wire::FrameType::body, channel, body.size());
      scratch_.append(body.view());
      wire::write_frame_end(scratch_);
    }
    output_.write(std::string_view(scratch_));
    return;
  }
  for (std::size_t at = 0; at < body.size(); at += part_max) {
    const Slice part = body.sub(at, part_max);
    wire::write_frame_head(scratch_, wire::FrameType::body, channel, part.size());
    output_.write(std::string_view(scratch_));
    output_.write(part);
    scratch_.clear();
    wire::write_frame_end(scratch_);
  }
  output_.write(std::string_view(scratch_));
}

void Session::grant(Channel& channel, Subscription& s) {
  using Source = Subscription::Source;
  if (s.state != Subscription::State::live) return;
  if (s.source == Source::get || s.source == Source::reply) return;
  if (channel.state != Channel::State::open || state_ != State::running) return;
  if (output_.unsent() > output_.unsent_limit(unsent_max)) {
    if (!std::exchange(drain_asked_, true)) output_.wait_drained();
    return;
  }
  const auto taken = s.unsettled + static_cast<std::uint32_t>(s.held.size());
  std::uint32_t room = s.window;
  if (s.limit != 0) room = std::min(room, s.limit - std::min(s.limit, taken));
  if (TRV_MUTANT(prefetch_off_by_one) && s.limit != 0 && taken == s.limit) room = 1;
  if (channel.channel_limit != 0 && !s.no_ack) {
    const auto held = static_cast<std::uint32_t>(s.held.size());
    room = std::min(room, channel.channel_limit - std::min(channel.channel_limit, held));
  }
  if (room <= s.granted) return;
  const std::uint32_t count = room - s.granted;
  // While enough is on its way, credit is saved up for one larger grant.
  if (s.granted > 0 && count < room / 4) return;
  s.granted = room;
  const bool stream = s.source == Subscription::Source::stream;
  if (s.core == broker().core().index()) {
    if (stream) {
      services_.readers[s.core.value]->grant(s.id, count);
    } else {
      broker().queues().grant(s.queue, s.id, count);
    }
    return;
  }
  StreamReaders* readers = services_.readers[s.core.value];
  broker().at_core(s.core,
                   [readers, stream, queue = s.queue, id = s.id, count](broker::Broker& owner) {
                     if (stream) {
                       readers->grant(id, count);
                     } else {
                       owner.queues().grant(queue, id, count);
                     }
                   });
}

void Session::grant_all(Channel& channel) {
  std::vector<std::uint64_t> keys;
  for (const auto& [key, s] : channel.subscriptions) keys.push_back(key);
  // A grant may deliver at once and so change the map.
  for (const std::uint64_t key : keys) {
    if (Subscription* s = channel.find_subscription(key)) grant(channel, *s);
  }
}

void Session::on_drained() {
  drain_asked_ = false;
  std::vector<ChannelRef> refs;
  for (const auto& [number, channel] : channels_) refs.push_back(channel->ref);
  for (const ChannelRef ref : refs) {
    if (Channel* channel = find_open(ref)) grant_all(*channel);
  }
}

void Session::on_queue_gone(ChannelRef ref, std::uint64_t key) {
  Channel* channel = find_open(ref);
  Subscription* s = channel ? channel->find_subscription(key) : nullptr;
  if (!s || s->state == Subscription::State::gone) return;
  s->held.clear();
  const bool tell = s->state == Subscription::State::live && client_takes_cancel_;
  s->state = Subscription::State::gone;
  if (tell) send(ref.number, wire::BasicCancel{.consumer_tag = s->tag, .no_wait = true});
  channel->drop_if_done(*s);
}

}  // namespace trv::amqp
