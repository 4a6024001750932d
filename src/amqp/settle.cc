// Session: settling deliveries, confirming publishes, and giving everything back at the end.
#include "amqp/errors.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "base/assert.h"
#include "broker/queues.h"

namespace trv::amqp {

void Session::settle(Channel& channel, const std::vector<Unsettled>& entries, How how) {
  for (const Unsettled& entry : entries) {
    if (entry.from->source == Subscription::Source::stream) continue;  // settling gives credit only
    switch (how) {
      case How::complete:
        entry.from->completed.push_back(entry.sequence);
        break;
      case How::release:
        entry.from->released.push_back(entry.sequence);
        break;
      case How::discard:
        entry.from->discarded.push_back(entry.sequence);
        break;
    }
  }
  mark_dirty(channel);
}

namespace {

// Who settles, and where it is told of a refusal.
struct Settler {
  SessionLink link;
  CoreIndex home;
  ChannelRef channel;
};

void settle_at(broker::Broker& owner, const Settler& settler, const std::string& queue,
               const std::vector<Sequence>& completed, const std::vector<Sequence>& released,
               const std::vector<Sequence>& discarded) {
  using broker::Settlement;
  // No answer tells of a settlement, so nobody waits for its commit.
  auto settle = [&](const std::vector<Sequence>& sequences, Settlement how) {
    if (sequences.empty()) return;
    auto settled = owner.queues().settle(queue, sequences, how);
    if (settled) return;
    // But that it cannot be stored must be told: the client takes these messages for done.
    owner.post(settler.home,
               [settler, failure = failure_of(settled.error(), queue_resource(queue))] {
                 Session* session = settler.link.find();
                 Channel* channel = session ? session->find_open(settler.channel) : nullptr;
                 if (channel) session->fail(*channel, wire::MethodId::basic_ack, failure);
               });
  };
  settle(completed, Settlement::complete);
  settle(discarded, Settlement::discard);
  settle(released, Settlement::release);
}

}  // namespace

void Session::settle_flush(Channel& channel) {
  const Settler settler{link(), broker().core().index(), channel.ref};
  std::vector<std::uint64_t> keys;
  for (const auto& [key, s] : channel.subscriptions) keys.push_back(key);
  for (const std::uint64_t key : keys) {
    Subscription* s = channel.find_subscription(key);
    if (!s) continue;
    if (!s->completed.empty() || !s->released.empty() || !s->discarded.empty()) {
      if (broker().owns(s->location)) {
        settle_at(broker(), settler, s->queue, s->completed, s->released, s->discarded);
        s->completed.clear();
        s->released.clear();
        s->discarded.clear();
      } else {
        broker().at(s->location,
                    [settler, queue = s->queue, completed = std::exchange(s->completed, {}),
                     released = std::exchange(s->released, {}),
                     discarded = std::exchange(s->discarded, {})](broker::Broker& owner) {
                      settle_at(owner, settler, queue, completed, released, discarded);
                    });
      }
    }
    grant(channel, *s);
    channel.drop_if_done(*s);
  }
  if (channel.channel_limit != 0 && channel.state == Channel::State::open) send_held(channel);
}

void Session::confirm_flush(Channel& channel, std::uint64_t last) {
  if (!channel.confirms.on() || channel.confirms.grouped() >= last) return;
  channel.confirms.open_group(last);
  const broker::Commit commit = std::exchange(channel.publish_commit, {});
  if (broker().is_durable(commit)) {
    on_confirmed(channel.ref, last, true);
    return;
  }
  broker().when_durable(commit,
                        [link = link(), ref = channel.ref, last](Result<broker::Durable> result) {
                          if (Session* session = link.find())
                            session->on_confirmed(ref, last, result.ok());
                        });
}

void Session::on_confirmed(ChannelRef ref, std::uint64_t last, bool ok) {
  Channel* channel = find_open(ref);
  if (!channel) return;
  channel->confirms.close_group(last, ok);
  Confirms::Answer answer;
  while (channel->confirms.take_answer(answer)) {
    const bool multiple = answer.last > answer.first;
    if (answer.ok) {
      send(ref.number, wire::BasicAck{.delivery_tag = answer.last, .multiple = multiple});
    } else {
      send(ref.number,
           wire::BasicNack{.delivery_tag = answer.last, .multiple = multiple, .requeue = false});
    }
  }
}

void Session::drop_consumer(const std::string& queue, const std::string& location, ConsumerId id,
                            bool stream) {
  broker().at(location, [readers = services_.readers, stream, queue, id](broker::Broker& owner) {
    if (stream) {
      readers[owner.core().index().value]->close(id);
    } else {
      owner.queues().unsubscribe(queue, id, false);  // puts back all that it holds, in order
    }
  });
}

void Session::drop_holder(const std::string& queue, const std::string& location,
                          ConsumerId holder) {
  broker().at(location, [queue, holder](broker::Broker& owner) {
    owner.queues().release_all(queue, holder);
  });
}

void Session::cancel(Channel& channel, Subscription& s, bool answer) {
  s.state = Subscription::State::cancelling;
  struct Nothing {};
  const bool stream = s.source == Subscription::Source::stream;
  ask(
      s.location,
      [stream, readers = services_.readers, queue = s.queue, id = s.id](broker::Broker& owner) {
        if (stream) {
          readers[owner.core().index().value]->close(id);
        } else {
          owner.queues().unsubscribe(queue, id, true);
        }
        return Answer<Nothing>{};
      },
      [ref = channel.ref, key = s.key, answer](Session& session, Nothing, const Status&) {
        Channel* open = session.find_open(ref);
        Subscription* found = open ? open->find_subscription(key) : nullptr;
        if (!found) return;
        found->state = Subscription::State::gone;
        // What the channel's limit kept back was never seen by the client.
        for (const broker::Delivery& held : std::exchange(found->held, {})) {
          found->released.push_back(held.sequence);
        }
        session.mark_dirty(*open);
        if (answer) session.send(ref.number, wire::BasicCancelOk{.consumer_tag = found->tag});
      });
}

void Session::end_channel(Channel& channel) {
  if (channel.state != Channel::State::open) return;
  channel.state = Channel::State::closing;  // no credit is given from here on
  release_assembly(channel.content.body.size());
  channel.content = Content{};
  settle_flush(channel);
  std::vector<Unsettled> entries;
  channel.take_all_unsettled(entries);
  for (const auto& [key, s] : channel.subscriptions) {
    const bool asked =
        s->state == Subscription::State::live || s->state == Subscription::State::cancelling;
    if (s->source == Subscription::Source::get || s->state == Subscription::State::gone) {
      for (const broker::Delivery& held : s->held) s->released.push_back(held.sequence);
    } else if (asked) {
      drop_consumer(s->queue, s->location, s->id, s->source == Subscription::Source::stream);
    }
  }
  for (const Unsettled& entry : entries) {
    const bool is_get = entry.from->source == Subscription::Source::get;
    if (is_get || entry.from->state == Subscription::State::gone) {
      if (entry.from->source != Subscription::Source::stream) {
        entry.from->released.push_back(entry.sequence);
      }
    }
  }
  settle_flush(channel);
  channel.subscriptions.clear();
}

void Session::end() {
  if (std::exchange(ended_, true)) return;
  for (const auto& [number, channel] : channels_) end_channel(*channel);
  dirty_.clear();
  if (state_ != State::running) return;
  for (int core = 0; core < broker().core_count(); ++core) {
    broker().at_core(CoreIndex(static_cast<std::uint16_t>(core)),
                     [id = id_](broker::Broker& owner) { owner.queues().remove_exclusive(id); });
  }
}

}  // namespace trv::amqp
