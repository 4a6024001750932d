// tx.select, commit and rollback: what a channel publishes and settles takes effect at its commit,
// together, or not at all.
#include "amqp/handlers/handlers.h"

namespace trv::amqp {

using broker::Unit;
using broker::UnitOutcome;

namespace {

broker::Settlement settlement_of(How how) {
  switch (how) {
    case How::complete:
      return broker::Settlement::complete;
    case How::release:
      return broker::Settlement::release;
    case How::fail:
      return broker::Settlement::fail;
    case How::discard:
      return broker::Settlement::discard;
  }
  return broker::Settlement::release;
}

// Neighbours of one queue go together; the order of all stays.
void add_settling(Unit& unit, const Transaction::Settling& settling) {
  for (const Unsettled& entry : settling.entries) {
    if (entry.from->source == Subscription::Source::stream) continue;
    const broker::Settlement how = settlement_of(settling.how);
    const bool goes_on = !unit.settlings.empty() && unit.settlings.back().how == how &&
                         unit.settlings.back().queue == entry.from->queue &&
                         unit.settlings.back().holder == entry.from->id;
    if (!goes_on) unit.settlings.push_back({entry.from->queue, entry.from->id, {}, how});
    unit.settlings.back().sequences.push_back(entry.sequence);
  }
}

// The unit of a transaction; bodies of mandatory messages are kept for their return.
Unit unit_of(Transaction& transaction) {
  Unit unit;
  for (Transaction::Message& message : transaction.messages) {
    if (message.mandatory) {
      unit.publications.push_back(message.unit);
    } else {
      unit.publications.push_back(std::move(message.unit));
    }
  }
  for (const auto& settling : transaction.settlings) add_settling(unit, settling);
  return unit;
}

void count_all(Session& session, Channel& channel, const Transaction& transaction,
               const UnitOutcome& outcome) {
  for (std::size_t i = 0; i < transaction.messages.size(); ++i) {
    const Transaction::Message& message = transaction.messages[i];
    session.count_publish(channel, message.mandatory,
                          *session.exchange_counts(session.exchange_name(message.exchange)),
                          outcome.routed[i]);
  }
  for (const auto& settling : transaction.settlings) {
    if (settling.how != How::complete) continue;
    session.count(channel, MessageEvent::ack, settling.entries.size());
  }
}

void return_unroutable(Session& session, std::uint16_t channel, const Transaction& transaction,
                       const UnitOutcome& outcome) {
  for (std::size_t i = 0; i < transaction.messages.size(); ++i) {
    const Transaction::Message& message = transaction.messages[i];
    if (!message.mandatory || outcome.routed[i] > 0) continue;
    session.send_message(
        channel,
        wire::BasicReturn{.reply_code = static_cast<std::uint16_t>(ReplyCode::no_route),
                          .reply_text = "NO_ROUTE",
                          .exchange = message.exchange,
                          .routing_key = message.routing_key},
        message.properties, Slice::own(std::string(message.body())));
  }
}

void on_committed(Session& session, ChannelRef ref, wire::MethodId method,
                  const Transaction& transaction, const UnitOutcome& outcome) {
  session.release_assembly(transaction.bytes);
  Channel* channel = session.find_open(ref);
  if (!channel) return;
  for (const auto& settling : transaction.settlings) channel->let_go(settling.entries);
  if (!outcome.status) {
    session.fail(*channel, method, failure_of(outcome.status.error(), "transaction"));
    return;
  }
  count_all(session, *channel, transaction, outcome);
  return_unroutable(session, ref.number, transaction, outcome);
  if (outcome.refused) {
    session.fail(*channel, method, precondition("partial tx completion"));
    return;
  }
  session.send(ref.number, wire::TxCommitOk{});
  session.settle_flush(*channel);
}

Failure not_transactional() { return precondition("channel is not transactional"); }

}  // namespace

void handle(Session& session, Call call, const wire::TxSelect&) {
  if (call.channel.confirms.on()) {
    session.fail(call.channel, call.method, precondition("cannot switch from confirm to tx mode"));
    return;
  }
  if (!call.channel.transaction) call.channel.transaction = std::make_unique<Transaction>();
  session.send(call.channel.ref.number, wire::TxSelectOk{});
}

void handle(Session& session, Call call, const wire::TxCommit&) {
  if (!call.channel.transaction) {
    session.fail(call.channel, call.method, not_transactional());
    return;
  }
  // Shared by the completion alone, which the channel may not outlive.
  auto ended = std::make_shared<Transaction>(std::exchange(*call.channel.transaction, {}));
  session.wait_for<UnitOutcome>(
      [&session, ended](UniqueFunction<void(UnitOutcome)> reply) {
        session.broker().publisher().commit(unit_of(*ended), std::move(reply));
      },
      [ended, ref = call.channel.ref, method = call.method](Session& waiting,
                                                            const UnitOutcome& outcome) {
        on_committed(waiting, ref, method, *ended, outcome);
      });
}

void handle(Session& session, Call call, const wire::TxRollback&) {
  if (!call.channel.transaction) {
    session.fail(call.channel, call.method, not_transactional());
    return;
  }
  session.roll_back(call.channel);
  session.send(call.channel.ref.number, wire::TxRollbackOk{});
}

}  // namespace trv::amqp
