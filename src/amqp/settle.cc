// Session: settling deliveries, confirming publishes, and giving everything back at the end.
#include "amqp/errors.h"
#include "amqp/reader.h"
#include "amqp/session.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "broker/queues.h"

namespace trv::amqp {

void Session::settle(Channel& channel, const std::vector<Unsettled>& entries, How how) {
  if (channel.transaction) {
    channel.keep_taken(entries);
    channel.transaction->settlings.push_back({how, entries});
    return;
  }
  settle_now(channel, entries, how);
}

void Session::settle_now(Channel& channel, const std::vector<Unsettled>& entries, How how) {
  if (how == How::complete) count(channel, MessageEvent::ack, entries.size());
  for (const Unsettled& entry : entries) {
    if (entry.from->source == Subscription::Source::stream) {  // settling gives credit only
      if (how == How::complete) ++entry.from->read_count;
      continue;
    }
    entry.from->settled.of(how).push_back(entry.sequence);
    // On this core a message that is done is as durable as any publish of the same round.
    if (how != How::complete || !broker().owns(entry.from->location)) channel.settle_first = true;
  }
  mark_dirty(channel);
}

void Session::settle_before(Channel& channel, wire::MethodId method) {
  using wire::MethodId;
  if (!channel.is_touched()) return;
  const bool settles = method == MethodId::basic_ack || method == MethodId::basic_nack ||
                       method == MethodId::basic_reject;
  if (settles || (method == MethodId::basic_publish && !channel.settle_first)) return;
  settle_flush(channel);
}

namespace {

// Who settles, and where it is told of a refusal.
struct Settler {
  SessionLink link;
  CoreIndex home;
  ChannelRef channel;
};

void settle_at(broker::Broker& owner, const Settler& settler, const std::string& queue,
               ConsumerId holder, const Settled& settled) {
  using broker::Settlement;
  // No answer tells of a settlement, so nobody waits for its commit.
  const auto settle = [&](const std::vector<Sequence>& sequences, Settlement how) {
    if (sequences.empty()) return;
    auto done = owner.queues().settle(queue, holder, sequences, how);
    if (done) return;
    // But that it cannot be stored must be told: the client takes these messages for done.
    owner.post(settler.home, [settler, failure = failure_of(done.error(), queue_resource(queue))] {
      Session* session = settler.link.find();
      Channel* channel = session ? session->find_open(settler.channel) : nullptr;
      if (channel) session->fail(*channel, wire::MethodId::basic_ack, failure);
    });
  };
  settle(settled.completed, Settlement::complete);
  settle(settled.discarded, Settlement::discard);
  settle(settled.released, Settlement::release);
  settle(settled.failed, Settlement::fail);
}

// For operators.
void count_read(broker::Broker& broker, Subscription& s) {
  const std::uint64_t count = std::exchange(s.read_count, 0);
  if (count == 0) return;
  const auto at_owner = [queue = s.queue, count](broker::Broker& owner) {
    owner.queues().count_read(queue, broker::QueueEvent::completed, count);
  };
  if (broker.owns(s.location)) {
    at_owner(broker);
  } else {
    broker.at(s.location, at_owner);
  }
}

}  // namespace

void Session::settle_flush(Channel& channel) {
  const Settler settler{link(), broker().core().index(), channel.ref};
  channel.settle_first = false;
  for (const std::uint64_t key : channel.take_touched()) {
    Subscription* s = channel.find_subscription(key);
    if (!s) continue;
    if (!s->settled.empty()) {
      const Settled settled = std::exchange(s->settled, {});
      if (broker().owns(s->location)) {
        settle_at(broker(), settler, s->queue, s->id, settled);
      } else {
        broker().at(s->location,
                    [settler, queue = s->queue, id = s->id, settled](broker::Broker& owner) {
                      settle_at(owner, settler, queue, id, settled);
                    });
      }
    }
    count_read(broker(), *s);
    grant(channel, *s);
    channel.drop_if_done(*s);
  }
  if (channel.channel_limit != 0 && channel.state == Channel::State::open) send_held(channel);
}

void Session::roll_back(Channel& channel) {
  if (!channel.transaction) return;
  const Transaction ended = std::exchange(*channel.transaction, {});
  release_assembly(ended.bytes);
  if (TRV_MUTANT(rollback_forgets_deliveries)) return;
  for (const Transaction::Settling& settling : ended.settlings) channel.put_back(settling.entries);
}

void Session::confirm_flush(Channel& channel, std::uint64_t last) {
  if (!channel.confirms.on() || channel.confirms.grouped() >= last) return;
  channel.confirms.open_group(last);
  const broker::Commit commit = std::exchange(channel.publish_commit, {});
  if (broker().is_durable(commit) || TRV_MUTANT(confirm_before_durable)) {
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
    if (answer.ok) {
      count(*channel, MessageEvent::confirm, answer.last - answer.first + 1);
      const bool multiple = answer.last > answer.first;
      send(ref.number, wire::BasicAck{.delivery_tag = answer.last, .multiple = multiple});
    } else {
      // As RabbitMQ sends it, also for one. All before it was answered, so it can mean no more.
      send(ref.number,
           wire::BasicNack{.delivery_tag = answer.last, .multiple = true, .requeue = true});
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
  if (s.source == Subscription::Source::reply) {
    if (answer) send(channel.ref.number, wire::BasicCancelOk{.consumer_tag = s.tag});
    channel.remove(s);
    return;
  }
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
      [ref = channel.ref, key = s.key, tag = s.tag, answer](Session& session, Nothing,
                                                            const Status&) {
        Channel* open = session.find_open(ref);
        if (!open) return;
        // Its queue may have gone meanwhile, and it with it.
        if (answer) session.send(ref.number, wire::BasicCancelOk{.consumer_tag = tag});
        Subscription* found = open->find_subscription(key);
        if (!found) return;
        found->state = Subscription::State::gone;
        if (TRV_MUTANT(held_lost_at_cancel)) found->held.clear();
        // What the channel's limit kept back was never seen by the client.
        for (const broker::Delivery& held : std::exchange(found->held, {})) {
          found->settled.released.push_back(held.sequence);
        }
        open->touch(*found);
        session.mark_dirty(*open);
      });
}

void Session::end_channel(Channel& channel) {
  if (channel.state != Channel::State::open) return;
  channel.state = Channel::State::closing;  // no credit is given from here on
  uncount_channel();
  count(ChurnEvent::channel_closed);
  channel.content.stage = Content::Stage::none;
  release_assembly(channel.content.body.capacity());
  channel.content.body.consume(channel.content.body.size());
  channel.content.body.release_if_empty();
  roll_back(channel);
  channel.transaction.reset();
  settle_flush(channel);
  std::vector<Unsettled> entries;
  channel.take_all_unsettled(entries);
  for (const auto& [key, s] : channel.subscriptions) {
    const bool asked =
        s->state == Subscription::State::live || s->state == Subscription::State::cancelling;
    if (s->source == Subscription::Source::reply) continue;
    if (s->source == Subscription::Source::get || s->state == Subscription::State::gone) {
      for (const broker::Delivery& held : s->held) {
        s->settled.released.push_back(held.sequence);
      }
      channel.touch(*s);
    } else if (asked) {
      drop_consumer(s->queue, s->location, s->id, s->source == Subscription::Source::stream);
    }
  }
  for (const Unsettled& entry : entries) {
    const bool is_get = entry.from->source == Subscription::Source::get;
    if (is_get || entry.from->state == Subscription::State::gone) {
      if (entry.from->source != Subscription::Source::stream) {
        entry.from->settled.failed.push_back(entry.sequence);
      }
    }
  }
  settle_flush(channel);
  channel.subscriptions.clear();
}

void Session::end() {
  if (std::exchange(ended_, true)) return;
  leave_census();
  for (const auto& [number, channel] : channels_) end_channel(*channel);
  dirty_.clear();
  if (state_ != State::running) return;
  count(ChurnEvent::connection_closed);
  for (int core = 0; core < broker().core_count(); ++core) {
    broker().at_core(CoreIndex(static_cast<std::uint16_t>(core)),
                     [id = id_](broker::Broker& owner) { owner.queues().remove_exclusive(id); });
  }
}

}  // namespace trv::amqp
