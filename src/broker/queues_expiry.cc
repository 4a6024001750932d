// Expiry at the head of queues, and dead letters.
#include <algorithm>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/detail/queues_state.h"
#include "broker/publisher.h"

namespace trv::broker {
namespace {

constexpr std::chrono::seconds dying_retry_delay{1};
constexpr std::size_t dying_at_once = 1000;

bool stay(const QueueSettings& settings) {
  return settings.dead_letters_stay.value_or(false) &&
         settings.limits.overflow == model::Overflow::refuse &&
         !TRV_MUTANT(dead_letter_dropped_without_a_route);
}

// Whether the record may go. A dead letter that nobody takes is dropped, unless they stay.
bool arrived(const Published& published, bool stays) {
  return published.status.ok() && (!stays || (published.routed > 0 && !published.refused));
}

}  // namespace

std::optional<std::int64_t> Queues::State::deadline_ms(const Queue& queue,
                                                       const model::StoredRecord& record) const {
  std::optional<std::int64_t> ttl = queue.settings.message_ttl_ms;
  if (record.origin == model::Origin::message && broker.codecs().message) {
    std::int64_t own = broker.codecs().message->time_to_live(record);
    if (own >= 0) ttl = ttl ? std::min(*ttl, own) : own;
  }
  if (!ttl) return std::nullopt;
  return record.timestamp_ms + *ttl;
}

bool Queues::State::goes_at_once(const Queue& queue, const model::StoredRecord& record,
                                 std::optional<std::int64_t> deadline) const {
  if (deadline != record.timestamp_ms) return false;
  return std::any_of(queue.consumers.begin(), queue.consumers.end(),
                     [](const auto& consumer) { return consumer->credit > 0; });
}

void Queues::State::arm_expiry(Queue& queue, std::int64_t deadline) {
  std::chrono::milliseconds left(std::max<std::int64_t>(deadline - broker.wall_now().ms, 0));
  queue.expiry = broker.core().schedule(left, [this, name = queue.name] {
    Queue* found = find(name);
    if (!found) return;
    found->head_checked.reset();
    make_ready(*found);
  });
}

bool Queues::State::expire_one(Queue& queue, Sequence head, std::optional<std::int64_t>& deadline) {
  auto record = broker.topics().read_one(*queue.topic, head);
  if (!record) return true;  // delivering it will report the damage
  if (!*record) {
    take(queue, head, dying_holder);
    pass_over(queue, head);
    return false;
  }
  deadline = deadline_ms(queue, **record);
  if (TRV_MUTANT(expired_message_delivered)) deadline.reset();
  bool due = deadline && broker.wall_now().ms >= *deadline;
  if (!due || goes_at_once(queue, **record, deadline)) return true;
  take(queue, head, dying_holder);
  if (kill(queue, head, DeathReason::expired)) return false;
  deadline.reset();  // it is tried again soon
  return true;
}

void Queues::State::expire_head(Queue& queue) {
  if (queue.index()) {
    expire_heads(queue);
    return;
  }
  for (;;) {
    std::optional<Sequence> head = first_ready(queue);
    if (!head || queue.head_checked == head) return;
    std::optional<std::int64_t> deadline;
    if (!expire_one(queue, *head, deadline)) continue;
    queue.head_checked = head;
    queue.expiry.cancel();
    if (deadline) arm_expiry(queue, *deadline);
    return;
  }
}

void Queues::State::expire_heads(Queue& queue) {
  if (!queue.extras->has_deadlines) return;
  std::optional<std::int64_t> next;
  for (bool again = true; again;) {
    again = false;
    next.reset();
    for (Sequence head : queue.index()->heads()) {
      std::optional<std::int64_t> deadline;
      if (!expire_one(queue, head, deadline)) again = true;
      if (deadline) next = next ? std::min(*next, *deadline) : *deadline;
    }
  }
  queue.expiry.cancel();
  if (next) arm_expiry(queue, *next);
}

bool Queues::State::kill(Queue& queue, Sequence sequence, DeathReason reason) {
  if (discard(queue, sequence, reason)) return true;
  release(queue, sequence);
  try_again_later(queue);
  return false;
}

Status Queues::State::discard(Queue& queue, Sequence sequence, DeathReason reason) {
  if (!queue.settings.dead_letter_exchange || !broker.codecs().message) {
    return settle(queue, sequence);
  }
  auto record = broker.topics().read_one(*queue.topic, sequence);
  if (!record || !*record) {
    if (!record) log::error("queue {}: {}", queue.name, record.error().message);
    return settle(queue, sequence);
  }
  // Whoever had it may go before the dead letter is safe.
  queue.cursor.hand_over(sequence, dying_holder);
  // The source lets go only of what is safe where it went.
  publish_dead_letter(queue, **record, reason,
                      [this, name = queue.name, sequence, reason](bool safe) {
                        Queue* found = find(name);
                        if (TRV_MUTANT(dead_letter_lost_when_it_cannot_be_stored)) safe = true;
                        if (!found || !found->cursor.is_outstanding_at(sequence, dying_holder))
                          return;
                        if (!safe || !settle(*found, sequence))
                          keep_dying(*found, sequence, reason);
                      });
  return {};
}

void Queues::State::keep_dying(const Queue& queue, Sequence sequence, DeathReason reason) {
  const bool stays = stay(queue.settings);
  if (!stays) {
    log::warn("queue {}: dead letter could not be stored; the record stays", queue.name);
  }
  dying.push_back({queue.name, sequence, reason, stays});
  if (dying_retry.armed()) return;
  dying_retry = broker.core().schedule(dying_retry_delay, [this] { retry_dying(); });
}

void Queues::State::retry_dying() {
  // What fails again comes to the end of the line.
  for (std::size_t left = std::min(dying.size(), dying_at_once); left > 0; --left) {
    const Dying one = std::move(dying.front());
    dying.pop_front();
    Queue* found = find(one.queue);
    if (!found || !found->cursor.is_outstanding_at(one.sequence, dying_holder)) {
      continue;  // perhaps it was made anew
    }
    // What had to stay was given up by whoever had it: it does not come back when it need not any
    // more.
    const bool stays = one.stays && !TRV_MUTANT(waiting_dead_letter_comes_back);
    if (stays || stay(found->settings)) {
      if (!discard(*found, one.sequence, one.reason)) keep_dying(*found, one.sequence, one.reason);
      continue;
    }
    release(*found, one.sequence);
    found->head_checked.reset();
    make_ready(*found);
  }
  if (dying.empty() || dying_retry.armed()) return;
  dying_retry = broker.core().schedule(dying_retry_delay, [this] { retry_dying(); });
}

void Queues::State::publish_dead_letter(const Queue& queue, const model::StoredRecord& record,
                                        DeathReason reason,
                                        const std::function<void(bool)>& finish) {
  Death death{queue.name, reason, broker.wall_now(), *queue.settings.dead_letter_exchange,
              queue.settings.dead_letter_key.value_or("")};
  model::Message message = broker.message_of(record);
  const MessageCodec& codec = *broker.codecs().message;
  MessageCodec::Envelope envelope = codec.dead_letter(record, message, death);
  auto lookup = codec.header_lookup(envelope.bytes);
  std::vector<std::string_view> more_keys(envelope.more_keys.begin(), envelope.more_keys.end());
  Publication publication;
  publication.exchange = death.exchange;
  // As the codec says, which knows how queues are named where this one is.
  const bool by_no_key = queue.settings.dead_letter_key && queue.settings.dead_letter_key->empty();
  publication.routing_key = by_no_key ? std::string_view() : envelope.routing_key;
  publication.more_keys = more_keys;
  publication.left_queues = envelope.left_queues;
  publication.headers = lookup.get();
  publication.record.origin = model::Origin::message;
  ByteView body = message.value.value_or(ByteView());
  publication.record.value = body;
  publication.record.envelope = envelope.bytes;
  publication.record.partition_key = publication.routing_key;
  const bool stays = stay(queue.settings);
  auto outcome = broker.publisher().publish(
      publication,
      [finish, stays](const Published& published) { finish(arrived(published, stays)); });
  if (!outcome) {
    finish(!stays);  // no such exchange
    return;
  }
  if (outcome->pending) return;
  if (!arrived(outcome->published, stays)) {
    finish(false);
    return;
  }
  broker.when_durable(outcome->commit, [finish](Result<Durable> durable) { finish(durable.ok()); });
}

}  // namespace trv::broker
