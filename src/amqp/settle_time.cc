// Session: deliveries that must be settled in time (x-consumer-timeout). One timer for a
// connection; it looks at what is unsettled when the first of it may be due, so that settling costs
// nothing more.
#include "amqp/session.h"
#include "base/mutant.h"

namespace trv::amqp {

std::uint64_t Session::note_delivery(Channel& channel, Subscription& s, Sequence sequence) {
  if (!s.settle_time_max || s.no_ack) return channel.add_delivery(s, sequence);
  const runtime::SteadyTime deadline = broker().core().now() + *s.settle_time_max;
  const std::uint64_t tag = channel.add_delivery(s, sequence, deadline, *s.settle_time_max);
  if (!settle_timer_.armed() || deadline < settle_check_) watch_settling();
  return tag;
}

void Session::watch_settling() {
  settle_timer_.cancel();
  const Unsettled* first = nullptr;
  for (const auto& [number, channel] : channels_) {
    if (channel->state != Channel::State::open) continue;
    const Unsettled* due = channel->first_due();
    if (due && (!first || due->deadline < first->deadline)) first = due;
  }
  if (!first || ended_) return;
  settle_check_ = first->deadline;
  const auto left = std::max(first->deadline - broker().core().now(), runtime::Duration::zero());
  settle_timer_ = broker().core().schedule(left, [this] { check_settling(); });
}

void Session::check_settling() {
  std::vector<ChannelRef> refs;
  for (const auto& [number, channel] : channels_) refs.push_back(channel->ref);
  for (const ChannelRef ref : refs) {
    Channel* channel = find_open(ref);
    const Unsettled* due = channel ? channel->first_due() : nullptr;
    if (!due || due->deadline > broker().core().now() || TRV_MUTANT(settle_time_ignored)) continue;
    const std::int64_t time_max = due->time_max.count();
    fail(*channel, wire::MethodId{},
         precondition("delivery acknowledgement on channel " + std::to_string(ref.number) +
                      " timed out. Timeout value used: " + std::to_string(time_max) +
                      " ms. This timeout value can be configured, see consumers doc guide to "
                      "learn more"));
  }
  watch_settling();
}

}  // namespace trv::amqp
