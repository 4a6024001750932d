// Delivering, settling, expiring and dead-lettering.
#include <algorithm>

#include "base/log.h"
#include "broker/catalog.h"
#include "broker/detail/queues_state.h"
#include "broker/entry.h"
#include "broker/publisher.h"

namespace trv::broker {
namespace {

// One dispatch hands at most this much to one consumer, so that others get their turn.
constexpr std::size_t dispatch_bytes_max = 1u << 20;
constexpr std::size_t dispatch_records_max = 1024;
constexpr std::size_t settled_per_entry_max = 8192;
// What a settlement takes in the journal: anywhere; right behind another. And an entry of them,
// without the queue's name. All generously.
constexpr std::uint64_t settled_size_max = 12;
constexpr std::uint64_t settled_in_row_size_max = 3;
constexpr std::uint64_t settled_overhead_max = 128;

bool has_credit(const Queue::Consumer& consumer) { return consumer.credit > 0; }

}  // namespace

Result<ConsumerId> Queues::subscribe(std::string_view name, ConsumerSpec spec) {
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  bool exclusive_there = !queue->consumers.empty() && queue->consumers.front()->spec.exclusive;
  if (exclusive_there || (spec.exclusive && !queue->consumers.empty())) {
    return Error{Errc::in_use, "queue in exclusive use"};
  }
  auto consumer = std::make_unique<Queue::Consumer>();
  consumer->id = ConsumerId(state_->next_consumer++);
  consumer->credit = spec.credit;
  consumer->spec = std::move(spec);
  ConsumerId id = consumer->id;
  auto place = std::find_if(queue->consumers.begin(), queue->consumers.end(), [&](auto& other) {
    return other->spec.priority < consumer->spec.priority;
  });
  queue->consumers.insert(place, std::move(consumer));
  state_->make_ready(*queue);
  return id;
}

void Queues::unsubscribe(std::string_view name, ConsumerId consumer, bool keep_outstanding) {
  Queue* queue = state_->find(name);
  if (!queue) return;
  auto it = std::find_if(queue->consumers.begin(), queue->consumers.end(),
                         [consumer](auto& c) { return c->id == consumer; });
  if (it == queue->consumers.end()) return;
  queue->consumers.erase(it);
  if (!keep_outstanding) release_all(name, consumer);
  if (queue->settings.auto_delete && queue->consumers.empty()) {
    static_cast<void>(remove(name, {}));
    return;
  }
  state_->make_ready(*queue);
}

void Queues::grant(std::string_view name, ConsumerId id, std::uint32_t count) {
  Queue* queue = state_->find(name);
  if (!queue) return;
  for (auto& consumer : queue->consumers) {
    if (consumer->id != id) continue;
    consumer->credit =
        count > credit_unlimited - consumer->credit ? credit_unlimited : consumer->credit + count;
    state_->make_ready(*queue);
    return;
  }
}

ConsumerId Queues::new_holder() { return ConsumerId(state_->next_consumer++); }

void Queues::release_all(std::string_view name, ConsumerId holder) {
  Queue* queue = state_->find(name);
  if (!queue) return;
  for (Sequence sequence : queue->cursor.outstanding_of(holder)) queue->cursor.release(sequence);
  state_->make_ready(*queue);
}

Result<std::optional<Delivery>> Queues::take(std::string_view name, ConsumerId holder,
                                             bool auto_settle) {
  using Taken = std::optional<Delivery>;
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  Topics& topics = state_->broker.topics();
  state_->expire_head(*queue);
  Sequence end = topics.visible_end(*queue->topic);
  while (std::optional<Sequence> sequence = queue->cursor.first_ready(end)) {
    auto record = topics.read_one(*queue->topic, *sequence);
    if (!record) return record.error();
    auto taken = queue->cursor.take(*sequence, holder);
    if (!*record) {
      state_->pass_over(*queue, *sequence);
      continue;
    }
    if (auto_settle) {
      if (Status settled = state_->settle(*queue, *sequence); !settled) {
        queue->cursor.release(*sequence);
        return settled.error();
      }
    }
    state_->journal_delivered(*queue);
    Delivery delivery{*sequence, taken.redelivered, taken.delivery_count, 0, **record};
    delivery.ready_left = queue->cursor.ready_count(end);
    return Taken{std::move(delivery)};
  }
  return Taken{};
}

Result<Commit> Queues::settle(std::string_view name, std::span<const Sequence> sequences,
                              Settlement how) {
  Queue* queue = state_->find(name);
  if (!queue) return state_->broker.tail();
  for (Sequence sequence : sequences) {
    if (!queue->cursor.is_outstanding(sequence)) continue;
    Status done;
    switch (how) {
      case Settlement::complete:
        done = state_->settle(*queue, sequence);
        break;
      case Settlement::release:
        queue->cursor.release(sequence);
        break;
      case Settlement::discard:
        done = state_->discard(*queue, sequence, DeathReason::rejected);
        break;
    }
    if (!done) return done.error();
  }
  if (how == Settlement::release) {
    queue->head_checked.reset();
    state_->make_ready(*queue);
  }
  return state_->broker.tail();
}

Status Queues::State::promise_settled(Queue& queue, std::uint64_t apart, std::uint64_t in_row) {
  const std::uint64_t overhead = settled_overhead_max + queue.name.size();
  std::uint64_t entries = (apart + in_row) / settled_per_entry_max;
  // As many promises of one as an entry takes pay for one more entry, too.
  if (queue.settled_promised == 0 || queue.settled.size() % settled_per_entry_max == 0) ++entries;
  std::uint64_t size =
      apart * settled_size_max + in_row * settled_in_row_size_max + entries * overhead;
  Status promised = broker.promise(Space::less, size);
  if (!promised) return promised;
  queue.settled_promised += size;
  mark_dirty(queue);
  return {};
}

Status Queues::State::settle(Queue& queue, Sequence sequence) {
  if (queue.durable()) {
    if (Status promised = promise_settled(queue, 1, 0); !promised) return promised;
  }
  note_settled(queue, sequence);
  return {};
}

void Queues::State::pass_over(Queue& queue, Sequence sequence) {
  if (!settle(queue, sequence)) queue.cursor.apply_settle(sequence);
}

void Queues::State::try_again_later(Queue& queue) {
  if (std::find(refused.begin(), refused.end(), queue.name) == refused.end()) {
    refused.push_back(queue.name);
  }
}

void Queues::State::note_settled(Queue& queue, Sequence sequence) {
  queue.cursor.apply_settle(sequence);
  if (queue.durable()) queue.settled.push_back(sequence);
}

void Queues::State::mark_dirty(Queue& queue) {
  if (!queue.dirty) {
    queue.dirty = true;
    dirty.push_back(&queue);
  }
}

void Queues::State::journal_settled(Queue& queue) {
  queue.dirty = false;
  std::sort(queue.settled.begin(), queue.settled.end());
  std::uint64_t promised = std::exchange(queue.settled_promised, 0);
  std::span<const Sequence> left(queue.settled);
  while (!left.empty()) {
    std::span<const Sequence> part = left.first(std::min(left.size(), settled_per_entry_max));
    left = left.subspan(part.size());
    std::string payload;
    ByteWriter writer(payload);
    writer.sized(queue.name);
    writer.varint(part.size());
    std::int64_t previous = 0;
    for (Sequence sequence : part) {
      writer.varint(static_cast<std::uint64_t>(sequence.value - previous));
      previous = sequence.value;
    }
    const ByteView parts[] = {payload};
    broker.journal_promised(entry::queue_settled, queue.topic->shard, parts,
                            std::exchange(promised, 0));
  }
  broker.take_back(promised);
  queue.settled.clear();
}

void Queues::State::journal_delivered(Queue& queue) {
  if (!queue.durable() || queue.cursor.next() <= queue.delivered_mark) return;
  std::string payload;
  ByteWriter writer(payload);
  writer.sized(queue.name);
  writer.i64_le(queue.cursor.next().value);
  // Without it a record may come again unmarked after a restart; no reason to keep it from anybody.
  if (broker.journal(Space::less, entry::queue_delivered, queue.topic->shard, payload)) {
    queue.delivered_mark = queue.cursor.next();
  }
}

void Queues::State::make_ready(Queue& queue) {
  if (!queue.ready) {
    queue.ready = true;
    ready.push_back(&queue);
  }
  if (dispatch_posted) return;
  dispatch_posted = true;
  broker.core().post([this] { dispatch_ready(); });
}

void Queues::State::dispatch_ready() {
  dispatch_posted = false;
  std::vector<std::string> names;
  names.reserve(ready.size());
  for (Queue* queue : ready) {
    queue->ready = false;
    names.push_back(queue->name);
  }
  ready.clear();
  // By name: a sink may remove queues.
  for (const std::string& name : names) {
    if (Queue* queue = find(name)) dispatch(*queue);
  }
}

Queue::Consumer* Queues::State::choose_consumer(Queue& queue) {
  std::size_t count = queue.consumers.size();
  if (count == 0) return nullptr;
  Queue::Consumer* chosen = nullptr;
  std::size_t chosen_index = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t index = (queue.next_consumer + i) % count;
    Queue::Consumer& consumer = *queue.consumers[index];
    if (!has_credit(consumer)) continue;
    if (chosen && consumer.spec.priority <= chosen->spec.priority) continue;
    chosen = &consumer;
    chosen_index = index;
  }
  if (chosen) queue.next_consumer = (chosen_index + 1) % count;
  return chosen;
}

std::size_t Queues::State::index_of(const Queue& queue, const Queue::Consumer* consumer) const {
  auto it = std::find_if(queue.consumers.begin(), queue.consumers.end(),
                         [consumer](auto& c) { return c.get() == consumer; });
  return static_cast<std::size_t>(it - queue.consumers.begin());
}

bool Queues::State::deliver(Queue& queue, const model::StoredRecord& record,
                            std::vector<std::vector<Delivery>>& batches) {
  Queue::Consumer* consumer = choose_consumer(queue);
  if (!consumer) return false;
  auto taken = queue.cursor.take(record.sequence, consumer->id);
  if (consumer->spec.auto_settle && !settle(queue, record.sequence)) {
    queue.cursor.release(record.sequence);
    try_again_later(queue);
    return false;
  }
  if (consumer->credit != credit_unlimited) --consumer->credit;
  batches[index_of(queue, consumer)].push_back(
      {record.sequence, taken.redelivered, taken.delivery_count, 0, record});
  return true;
}

void Queues::State::dispatch(Queue& queue) {
  expire_head(queue);
  Topics& topics = broker.topics();
  std::vector<std::vector<Delivery>> batches(queue.consumers.size());
  std::size_t bytes = 0;
  std::size_t count = 0;
  bool more = false;
  auto give = [&](const model::StoredRecord& record) {
    if (!deliver(queue, record, batches)) return false;
    bytes += record.value ? record.value->size() : 0;
    more = ++count >= dispatch_records_max || bytes >= dispatch_bytes_max;
    return !more;
  };
  bool open = std::any_of(queue.consumers.begin(), queue.consumers.end(),
                          [](auto& c) { return has_credit(*c); });
  while (open && !more) {
    std::optional<Sequence> released = queue.cursor.first_released();
    if (!released) break;
    auto record = topics.read_one(*queue.topic, *released);
    if (!record) {
      log::error("queue {}: {}", queue.name, record.error().message);
      break;
    }
    if (!*record) {
      pass_over(queue, *released);  // erased or trimmed in the meantime
    } else if (!give(**record)) {
      open = false;
    }
  }
  if (open && !more && !queue.cursor.first_released()) {
    Result<Sequence> read =
        topics.read(*queue.topic, queue.cursor.next(), [&](const model::StoredRecord& record) {
          queue.cursor.skip_to(record.sequence);
          std::optional<std::int64_t> deadline = deadline_ms(queue, record);
          if (deadline && broker.wall_now().ms > *deadline) {
            queue.cursor.take(record.sequence, dying_holder);
            return expire(queue, record.sequence);
          }
          return give(record);
        });
    if (!read) log::error("queue {}: {}", queue.name, read.error().message);
  }
  if (count == 0) {
    expire_head(queue);
    return;
  }
  journal_delivered(queue);
  if (more) make_ready(queue);
  std::vector<std::pair<std::function<void(std::vector<Delivery>)>, std::size_t>> sinks;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (!batches[i].empty()) sinks.emplace_back(queue.consumers[i]->spec.sink, i);
  }
  for (auto& [sink, index] : sinks) sink(std::move(batches[index]));
}

// --- expiry and dead letters
// -----------------------------------------------------------------------

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

void Queues::State::expire_head(Queue& queue) {
  Topics& topics = broker.topics();
  for (;;) {
    std::optional<Sequence> head = queue.cursor.first_ready(topics.visible_end(*queue.topic));
    if (!head || queue.head_checked == head) return;
    auto record = topics.read_one(*queue.topic, *head);
    if (!record) return;  // delivering it will report the damage
    if (!*record) {
      queue.cursor.take(*head, dying_holder);
      pass_over(queue, *head);
      continue;
    }
    std::optional<std::int64_t> deadline = deadline_ms(queue, **record);
    if (deadline && broker.wall_now().ms >= *deadline &&
        !(queue.settings.message_ttl_ms == 0 && !queue.consumers.empty())) {
      queue.cursor.take(*head, dying_holder);
      if (!expire(queue, *head)) return;
      continue;
    }
    queue.head_checked = head;
    queue.expiry.cancel();
    if (deadline) {
      std::chrono::milliseconds left(std::max<std::int64_t>(*deadline - broker.wall_now().ms, 0));
      queue.expiry = broker.core().schedule(left, [this, name = queue.name] {
        Queue* found = find(name);
        if (!found) return;
        found->head_checked.reset();
        make_ready(*found);
      });
    }
    return;
  }
}

bool Queues::State::expire(Queue& queue, Sequence sequence) {
  if (discard(queue, sequence, DeathReason::expired)) return true;
  queue.cursor.release(sequence);
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
  Death death{queue.name, reason, broker.wall_now(), *queue.settings.dead_letter_exchange,
              queue.settings.dead_letter_key.value_or("")};
  model::Message message = broker.message_of(**record);
  MessageCodec::Envelope envelope = broker.codecs().message->dead_letter(**record, message, death);
  if (envelope.cycle) return settle(queue, sequence);
  auto lookup = broker.codecs().message->header_lookup(envelope.bytes);
  Publication publication;
  publication.exchange = death.exchange;
  publication.routing_key =
      queue.settings.dead_letter_key ? *queue.settings.dead_letter_key : envelope.routing_key;
  publication.headers = lookup.get();
  publication.record.origin = model::Origin::message;
  ByteView body = message.value.value_or(ByteView());
  publication.record.value = body;
  publication.record.envelope = envelope.bytes;
  publication.record.partition_key = publication.routing_key;
  // The source lets go only of what is safe where it went.
  auto finish = [this, name = queue.name, sequence](bool safe) {
    Queue* found = find(name);
    if (!found || !found->cursor.is_outstanding(sequence)) return;
    if (safe && settle(*found, sequence)) return;
    found->cursor.release(sequence);
    try_again_later(*found);
    log::warn("queue {}: dead letter could not be stored; the record stays", name);
  };
  auto outcome = broker.publisher().publish(
      publication, [finish](Published published) { finish(published.status.ok()); });
  // No such exchange: dropped, as documented for dead letters.
  if (!outcome) return settle(queue, sequence);
  if (outcome->pending) return {};
  if (!outcome->published.status) {
    finish(false);
    return {};
  }
  broker.when_durable(outcome->commit, [finish](Result<Durable> durable) { finish(durable.ok()); });
  return {};
}

// --- for the broker ------------------------------------------------------------------------------

void Queues::on_visible(Topic& topic) {
  for (Queue* queue : topic.queues) state_->make_ready(*queue);
}

void Queues::on_trimmed(Topic& topic) {
  for (Queue* queue : topic.queues) queue->cursor.apply_settle_below(topic.state.start());
  on_erased(topic);
}

void Queues::on_erased(Topic& topic) {
  for (Queue* queue : topic.queues) {
    queue->head_checked.reset();
    state_->make_ready(*queue);
  }
}

void Queues::end_round() {
  std::vector<Queue*> settled;
  settled.swap(state_->dirty);
  for (Queue* queue : settled) state_->journal_settled(*queue);
}

void Queues::tick() {
  for (const std::string& name : std::exchange(state_->refused, {})) {
    if (Queue* queue = state_->find(name)) {
      queue->head_checked.reset();
      state_->make_ready(*queue);
    }
  }
}

void Queues::start() {
  for (auto& [name, queue] : state_->by_name) {
    state_->make_ready(*queue);
    // Declared just before a crash, its place may not be known.
    if (!queue->settings.source.empty()) {
      state_->broker.catalog().place_queue(name, queue->settings.source);
    }
  }
}

void Queues::stop() {
  for (auto& [name, queue] : state_->by_name) queue->consumers.clear();
}

void Queues::trim_settled() {
  for (auto& [name, queue] : state_->by_name) {
    if (!queue->owns_topic() || queue->topic->queues.size() != 1) continue;
    if (!queue->topic->claim_groups.empty()) continue;
    // Refused: tried again with the next checkpoint.
    static_cast<void>(state_->broker.topics().trim_to(*queue->topic, queue->cursor.floor()));
  }
}

}  // namespace trv::broker
