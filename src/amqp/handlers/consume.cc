// basic.consume and basic.get.
#include <algorithm>
#include <cstdint>

#include "amqp/access.h"
#include "amqp/arguments.h"
#include "amqp/convert.h"
#include "amqp/direct_reply.h"
#include "amqp/handlers/handlers.h"
#include "amqp/handlers/routing.h"
#include "amqp/stream_queue.h"
#include "amqp/wire/table.h"
#include "base/mutant.h"

namespace trv::amqp {

using broker::Broker;
using broker::Delivery;
using wire::MethodId;

namespace {

// A consumer as its queue's owner is told of it.
struct ConsumeRequest {
  SessionLink link;
  CoreIndex home;
  ChannelRef channel;
  std::uint64_t key = 0;
  std::string queue;
  std::string tag;
  bool no_ack = false;
  bool exclusive = false;
  std::int32_t priority = 0;
  std::uint32_t limit = 0;
  bool channel_limited = false;
  StreamStart start;
  std::optional<StreamFilter> filter;  // of a stream
};

struct ConsumeReply {
  std::optional<Failure> failure;
  ConsumerId id;
  bool stream = false;
  bool counted = false;
  std::optional<std::chrono::milliseconds> settle_time_max;
};

// Runs on the queue's core; hands deliveries to the session's.
std::function<void(std::vector<Delivery>)> make_sink(Broker& owner, const ConsumeRequest& r) {
  const auto arrive = [link = r.link, channel = r.channel,
                       key = r.key](std::vector<Delivery> deliveries) {
    if (Session* session = link.find()) session->deliver(channel, key, std::move(deliveries));
  };
  if (owner.core().index() == r.home) return arrive;
  return [&owner, home = r.home, arrive](std::vector<Delivery> deliveries) {
    owner.post(home, [arrive, deliveries = std::move(deliveries)]() mutable {
      arrive(std::move(deliveries));
    });
  };
}

std::function<void()> make_on_gone(Broker& owner, const ConsumeRequest& r) {
  // Posted in any case: it may run while the session itself is removing the queue.
  return [&owner, home = r.home, link = r.link, channel = r.channel, key = r.key] {
    owner.post(home, [link, channel, key] {
      if (Session* session = link.find()) session->on_queue_gone(channel, key);
    });
  };
}

Answer<ConsumeReply> refuse(Failure failure) {
  ConsumeReply reply;
  reply.failure = std::move(failure);
  return {std::move(reply)};
}

Answer<ConsumeReply> consume_stream(Broker& owner, StreamReaders& readers,
                                    const ConsumeRequest& r) {
  const std::string resource = queue_resource(r.queue);
  if (r.no_ack) {
    return refuse({ReplyCode::not_implemented,
                   "automatic acknowledgement not supported by stream queues " + resource});
  }
  if (r.exclusive) {
    return refuse({ReplyCode::not_implemented,
                   "exclusive consumption not supported by stream queues " + resource});
  }
  if (r.limit == 0) {
    return refuse(precondition("consumer prefetch count is not set for stream " + resource));
  }
  auto id = readers.open(r.queue, r.start, r.filter, make_sink(owner, r), make_on_gone(owner, r));
  if (!id) return refuse(failure_of(id.error(), resource));
  ConsumeReply reply;
  reply.id = *id;
  reply.stream = true;
  broker::Topic* log = owner.topics().find(r.queue);
  if (const auto arguments = stream_arguments(owner.topics().settings(*log))) {
    reply.settle_time_max = settle_time_max(*arguments);
  }
  return {std::move(reply)};
}

Answer<ConsumeReply> consume_at(Broker& owner, StreamReaders& readers, const ConsumeRequest& r) {
  const auto queue = owner.queues().find(r.queue);
  if (!queue) {
    if (owner.topics().find(r.queue)) return consume_stream(owner, readers, r);
    return refuse(no_queue(r.queue));
  }
  const bool foreign = queue->settings.exclusive && queue->settings.owner != r.link.id;
  if (foreign && !TRV_MUTANT(exclusive_queue_consumed_by_others)) {
    return refuse(queue_locked(r.queue));
  }
  if (queue->settings.strict && r.channel_limited) {
    return refuse(
        {ReplyCode::not_implemented, queue_resource(r.queue) + " does not support global qos"});
  }
  broker::ConsumerSpec spec;
  spec.connection = r.link.id;
  spec.tag = r.tag;
  spec.exclusive = r.exclusive;
  spec.auto_settle = r.no_ack;
  spec.priority = r.priority;
  spec.sink = make_sink(owner, r);
  spec.on_gone = make_on_gone(owner, r);
  auto id = owner.queues().subscribe(r.queue, std::move(spec));
  if (id) {
    return {{{}, *id, false, queue->settings.strict, settle_time_max(queue->settings.arguments)}};
  }
  if (id.error().code == Errc::in_use) return refuse(queue_in_exclusive_use(r.queue));
  return refuse(failure_of(id.error(), queue_resource(r.queue)));
}

void on_consume_reply(Session& session, const ConsumeRequest& r, const std::string& location,
                      MethodId method, bool no_wait, const ConsumeReply& reply) {
  Channel* channel = session.find_open(r.channel);
  Subscription* s = channel ? channel->find_subscription(r.key) : nullptr;
  if (!s) {
    // The channel was closed meanwhile: nobody else will end this consumer.
    if (reply.failure) return;
    session.drop_consumer(r.queue, location, reply.id, reply.stream);
    return;
  }
  if (reply.failure) {
    s->state = Subscription::State::gone;
    channel->drop_if_done(*s);
    session.fail(*channel, method, *reply.failure);
    return;
  }
  s->state = Subscription::State::live;
  s->id = reply.id;
  s->core = session.broker().owner_of(location);
  s->counted = reply.counted;
  s->settle_time_max = reply.settle_time_max;
  s->source = reply.stream ? Subscription::Source::stream : Subscription::Source::queue;
  if (!no_wait) session.send(r.channel.number, wire::BasicConsumeOk{.consumer_tag = s->tag});
  session.grant(*channel, *s);
}

}  // namespace

namespace {

// Consuming direct replies concerns the channel alone.
void consume_replies(Session& session, Call call, const wire::BasicConsume& method) {
  if (!method.no_ack) {
    session.fail(call.channel, call.method, precondition("reply consumer cannot acknowledge"));
    return;
  }
  if (call.channel.find_reply_consumer()) {
    session.fail(call.channel, call.method, precondition("reply consumer already set"));
    return;
  }
  std::string tag =
      method.consumer_tag.empty() ? generated_name("amq.ctag-") : std::string(method.consumer_tag);
  Subscription& s = call.channel.add_reply_consumer(session.next_key(), std::move(tag));
  s.state = Subscription::State::live;
  s.queue = direct_reply_queue;
  s.no_ack = true;
  s.secret = new_reply_secret();
  if (!method.no_wait) {
    session.send(call.channel.ref.number, wire::BasicConsumeOk{.consumer_tag = s.tag});
  }
}

}  // namespace

void handle(Session& session, Call call, const wire::BasicConsume& method) {
  ConsumeRequest r;
  Failure failure;
  const auto refuse_call = [&] { session.fail(call.channel, call.method, failure); };
  if (!resolve_queue_name(session, call.channel, method.queue, r.queue, failure))
    return refuse_call();
  if (call.channel.find_consumer(method.consumer_tag)) {
    failure = {ReplyCode::not_allowed,
               "attempt to reuse consumer tag '" + std::string(method.consumer_tag) + "'"};
    return refuse_call();
  }
  if (r.queue == direct_reply_queue) return consume_replies(session, call, method);
  if (auto refusal = refuse_queue(session, auth::Right::read, r.queue)) {
    failure = std::move(*refusal);
    return refuse_call();
  }
  const auto start = stream_start(method.arguments, session.broker().wall_now(), failure);
  if (!start) return refuse_call();
  if (const auto priority = wire::find_field(method.arguments, "x-priority")) {
    const auto number = priority->integer();
    if (!number) {
      failure = precondition("invalid arg 'x-priority' for " + queue_resource(r.queue) +
                             ": \"expected integer, got " + wire::type_name(priority->type) + "\"");
      return refuse_call();
    }
    r.priority = static_cast<std::int32_t>(std::clamp<std::int64_t>(*number, INT32_MIN, INT32_MAX));
  }
  r.link = session.link();
  r.home = session.broker().core().index();
  r.channel = call.channel.ref;
  r.key = session.next_key();
  r.tag =
      method.consumer_tag.empty() ? generated_name("amq.ctag-") : std::string(method.consumer_tag);
  r.no_ack = method.no_ack;
  r.exclusive = method.exclusive;
  r.limit = call.channel.default_limit;
  r.channel_limited = call.channel.channel_limit != 0;
  r.start = *start;
  r.filter = StreamFilter::parse(method.arguments);

  const std::string location = session.broker().catalog().locate(r.queue);
  Subscription& s = call.channel.add_consumer(r.key, r.tag);
  s.queue = r.queue;
  s.location = location;
  s.no_ack = r.no_ack;
  s.exclusive = r.exclusive;
  s.arguments = method.arguments;
  s.limit = r.no_ack ? 0 : r.limit;
  // A stream's limit may also be the channel's.
  if (r.limit == 0) r.limit = call.channel.channel_limit;
  session.ask(
      location,
      [r, readers = session.services().readers](Broker& owner) {
        return consume_at(owner, *readers[owner.core().index().value], r);
      },
      [r, location, method_id = call.method, no_wait = method.no_wait](
          Session& asking, const ConsumeReply& reply, const Status&) {
        on_consume_reply(asking, r, location, method_id, no_wait, reply);
      });
}

namespace {

struct GetReply {
  std::optional<Failure> failure;
  std::optional<Delivery> delivery;
  ConsumerId holder;
  bool counted = false;
  std::optional<std::chrono::milliseconds> settle_time_max;
};

Answer<GetReply> get_at(Broker& owner, const std::string& name, ConnectionId connection,
                        std::optional<ConsumerId> holder, bool no_ack) {
  GetReply reply;
  const auto queue = owner.queues().find(name);
  if (!queue) {
    reply.failure =
        owner.topics().find(name)
            ? Failure{ReplyCode::not_implemented,
                      "basic.get not supported by stream queues " + queue_resource(name)}
            : no_queue(name);
    return {std::move(reply)};
  }
  if (queue->settings.exclusive && queue->settings.owner != connection) {
    reply.failure = queue_locked(name);
    return {std::move(reply)};
  }
  if (queue->settings.strict && queue->settings.single_active) {
    reply.failure = Failure{ReplyCode::resource_locked,
                            "cannot obtain access to locked " + queue_resource(name) +
                                ". basic.get operations are not supported by quorum queues with "
                                "single active consumer"};
    return {std::move(reply)};
  }
  reply.counted = queue->settings.strict;
  reply.settle_time_max = settle_time_max(queue->settings.arguments);
  reply.holder = holder ? *holder : owner.queues().new_holder();
  auto taken = owner.queues().take(name, reply.holder, no_ack);
  if (taken) {
    reply.delivery = std::move(*taken);
  } else {
    reply.failure = failure_of(taken.error(), queue_resource(name));
  }
  return {std::move(reply)};
}

void send_get_ok(Session& session, Channel& channel, Subscription& holder,
                 const Delivery& delivery) {
  Rendered rendered;
  render(session.broker(), holder.queue, delivery.record, additions_of(holder, delivery),
         session.frame_max() - wire::content_overhead, rendered);
  const std::uint64_t tag = session.note_delivery(channel, holder, delivery.sequence);
  session.count(channel, holder.no_ack ? MessageEvent::get_no_ack : MessageEvent::get);
  if (delivery.redelivered) session.count(channel, MessageEvent::redeliver);
  session.send_message(
      channel.ref.number,
      wire::BasicGetOk{.delivery_tag = tag,
                       .redelivered = delivery.redelivered,
                       .exchange = rendered.exchange,
                       .routing_key = rendered.routing_key,
                       .message_count = static_cast<std::uint32_t>(
                           std::min<std::uint64_t>(delivery.ready_left, 0xffffffffu))},
      rendered.properties, rendered.body);
}

struct GetRequest {
  ChannelRef channel;
  std::uint64_t key = 0;
  std::string queue;
  std::string location;
};

void on_get_reply(Session& session, const GetRequest& r, MethodId method, const GetReply& reply) {
  Channel* channel = session.find_open(r.channel);
  Subscription* holder = channel ? channel->find_subscription(r.key) : nullptr;
  if (!holder) {
    // The channel was closed meanwhile: what was taken goes back.
    if (!reply.failure) session.drop_holder(r.queue, r.location, reply.holder);
    return;
  }
  if (reply.failure) {
    // The holder goes with the channel: deliveries before this one may be unsettled.
    session.fail(*channel, method, *reply.failure);
    return;
  }
  holder->state = Subscription::State::live;
  holder->id = reply.holder;
  holder->counted = reply.counted;
  holder->settle_time_max = reply.settle_time_max;
  if (reply.delivery) {
    send_get_ok(session, *channel, *holder, *reply.delivery);
  } else {
    session.count(*channel, MessageEvent::get_empty);
    session.send(r.channel.number, wire::BasicGetEmpty{});
  }
}

}  // namespace

void handle(Session& session, Call call, const wire::BasicGet& method) {
  std::string name;
  Failure failure;
  if (!resolve_queue_name(session, call.channel, method.queue, name, failure)) {
    session.fail(call.channel, call.method, failure);
    return;
  }
  if (const auto refusal = refuse_queue(session, auth::Right::read, name)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  const std::string location = session.broker().catalog().locate(name);
  Subscription* holder = call.channel.find_get_holder(name, method.no_ack);
  if (!holder) {
    holder = &call.channel.add_get_holder(session.next_key(), name, method.no_ack);
    holder->location = location;
  }
  std::optional<ConsumerId> id;
  if (holder->state == Subscription::State::live) id = holder->id;
  session.ask(
      location,
      [name, connection = session.id(), id, no_ack = method.no_ack](Broker& owner) {
        return get_at(owner, name, connection, id, no_ack);
      },
      [request = GetRequest{call.channel.ref, holder->key, name, location},
       method_id = call.method](Session& asking, const GetReply& reply, const Status&) {
        on_get_reply(asking, request, method_id, reply);
      });
}

}  // namespace trv::amqp
