// Channels, and the classes that have but a word to say: access, confirm.
#include <cstring>
#include <random>

#include "amqp/handlers/handlers.h"
#include "broker/queues.h"

namespace trv::amqp {

std::string generated_name(std::string_view prefix) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::random_device random;
  std::string name(prefix);
  std::uint32_t bits = 0;
  for (int i = 0; i < 22; ++i) {
    if (i % 5 == 0) bits = random();
    name += digits[bits & 63];
    bits >>= 6;
  }
  return name;
}

bool locked_for(const Session& session, const broker::QueueFacts& facts) {
  return facts.settings.exclusive && facts.settings.owner != session.id();
}

void handle(Session& session, Call call, const wire::ChannelFlow& method) {
  if (!method.active) {
    session.fail(call.channel, call.method, {ReplyCode::not_implemented, "active=false"});
    return;
  }
  session.send(call.channel.ref.number, wire::ChannelFlowOk{.active = true});
}

void handle(Session&, Call, const wire::ChannelFlowOk&) {}

void handle(Session& session, Call call, const wire::ChannelClose&) {
  const std::uint16_t number = call.channel.ref.number;
  session.end_channel(call.channel);
  session.wait_for_publishes([number](Session& waiting) {
    waiting.send(number, wire::ChannelCloseOk{});
    waiting.close_channel(number);
  });
}

void handle(Session& session, Call call, const wire::AccessRequest&) {
  session.send(call.channel.ref.number, wire::AccessRequestOk{.ticket = 1});
}

void handle(Session& session, Call call, const wire::ConfirmSelect& method) {
  if (call.channel.transaction) {
    session.fail(call.channel, call.method, precondition("cannot switch from tx to confirm mode"));
    return;
  }
  call.channel.confirms.turn_on();
  if (!method.no_wait) session.send(call.channel.ref.number, wire::ConfirmSelectOk{});
}

}  // namespace trv::amqp
