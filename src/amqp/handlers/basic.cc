// Settling what was delivered, and how much may be delivered at once.
#include "amqp/handlers/handlers.h"

namespace trv::amqp {

namespace {

void settle_tag(Session& session, Call call, std::uint64_t tag, bool multiple, How how) {
  std::vector<Unsettled> entries;
  if (!call.channel.take_unsettled(tag, multiple, entries)) {
    session.fail(call.channel, call.method, unknown_delivery_tag(tag));
    return;
  }
  if (how != How::complete) {
    for (const Unsettled& entry : entries) {
      if (entry.from->source != Subscription::Source::stream) continue;
      const Failure failure{ReplyCode::not_implemented,
                            "basic.nack and basic.reject not supported by stream queues " +
                                queue_resource(entry.from->queue)};
      call.channel.keep_taken(entries);
      call.channel.put_back(std::move(entries));
      session.fail(call.channel, call.method, failure);
      return;
    }
  }
  session.settle(call.channel, entries, how);
}

void recover(Session& session, Channel& channel) {
  std::vector<Unsettled> entries;
  channel.take_all_unsettled(entries);
  session.settle_now(channel, entries, How::release);
}

}  // namespace

void handle(Session& session, Call call, const wire::BasicAck& method) {
  settle_tag(session, call, method.delivery_tag, method.multiple, How::complete);
}

void handle(Session& session, Call call, const wire::BasicNack& method) {
  settle_tag(session, call, method.delivery_tag, method.multiple,
             method.requeue ? How::release : How::discard);
}

// Who rejects has tried: the delivery counts as failed, other than with nack.
void handle(Session& session, Call call, const wire::BasicReject& method) {
  settle_tag(session, call, method.delivery_tag, false, method.requeue ? How::fail : How::discard);
}

void handle(Session& session, Call call, const wire::BasicRecover& method) {
  if (!method.requeue) {
    session.fail(call.channel, call.method, {ReplyCode::not_implemented, "requeue=false"});
    return;
  }
  recover(session, call.channel);
  session.send(call.channel.ref.number, wire::BasicRecoverOk{});
}

void handle(Session& session, Call call, const wire::BasicRecoverAsync& method) {
  if (!method.requeue) {
    session.fail(call.channel, call.method, {ReplyCode::not_implemented, "requeue=false"});
    return;
  }
  recover(session, call.channel);
}

void handle(Session& session, Call call, const wire::BasicQos& method) {
  if (method.prefetch_size != 0) {
    session.fail(call.channel, call.method,
                 {ReplyCode::not_implemented,
                  "prefetch_size!=0 (" + std::to_string(method.prefetch_size) + ")"});
    return;
  }
  if (method.global) {
    call.channel.channel_limit = method.prefetch_count;
    session.send_held(call.channel);
  } else {
    call.channel.default_limit = method.prefetch_count;
  }
  session.send(call.channel.ref.number, wire::BasicQosOk{});
}

void handle(Session& session, Call call, const wire::BasicCancel& method) {
  Subscription* consumer = call.channel.find_consumer(method.consumer_tag);
  if (!consumer || consumer->state != Subscription::State::live) {
    // Cancelled before, by whichever side.
    if (!method.no_wait) {
      session.send(call.channel.ref.number,
                   wire::BasicCancelOk{.consumer_tag = method.consumer_tag});
    }
    return;
  }
  session.cancel(call.channel, *consumer, !method.no_wait);
}

// The client's answer to our own basic.cancel.
void handle(Session&, Call, const wire::BasicCancelOk&) {}

}  // namespace trv::amqp
