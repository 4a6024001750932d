// Delivering and settling.
#include <algorithm>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/cold_reads.h"
#include "broker/detail/queues_state.h"
#include "broker/entry.h"

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

std::uint64_t size_of_settled(std::string_view queue, std::uint64_t apart, std::uint64_t in_row,
                              std::uint64_t entries) {
  return apart * settled_size_max + in_row * settled_in_row_size_max +
         entries * (settled_overhead_max + queue.size());
}

bool has_credit(const Queue::Consumer& consumer) { return consumer.credit > 0; }

}  // namespace

void encode_failures(std::string_view queue, std::span<const model::QueueCursor::Failures> failed,
                     std::string& out) {
  ByteWriter writer(out);
  writer.sized(queue);
  writer.varint(failed.size());
  std::int64_t previous = 0;
  for (const auto& [sequence, count] : failed) {
    writer.varint(static_cast<std::uint64_t>(sequence.value - previous));
    writer.varint(count);
    previous = sequence.value;
  }
}

Result<ConsumerId> Queues::subscribe(std::string_view name, ConsumerSpec spec) {
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  bool exclusive_there = !queue->consumers.empty() && queue->consumers.front()->spec.exclusive;
  // Consumers of a queue with a single active one all wait in line: none may have it for itself.
  bool refused = spec.exclusive && (!queue->consumers.empty() || queue->settings.single_active);
  if ((exclusive_there || refused) && !TRV_MUTANT(exclusive_consumer_not_alone))
    return Error{Errc::in_use, "queue in exclusive use"};
  touch(name);
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
  touch(name);
  if (!keep_outstanding && !TRV_MUTANT(cancel_leaks_unacked)) release_all(name, consumer);
  if (queue->settings.auto_delete && queue->consumers.empty() && !TRV_MUTANT(auto_delete_ignored)) {
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
  for (Sequence sequence : queue->cursor.outstanding_of(holder)) state_->fail(*queue, sequence);
  state_->make_ready(*queue);
}

Result<std::optional<Delivery>> Queues::take(std::string_view name, ConsumerId holder,
                                             bool auto_settle) {
  using Taken = std::optional<Delivery>;
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  Topics& topics = state_->broker.topics();
  touch(name);
  while (!state_->refresh_index(*queue)) {
  }
  state_->expire_head(*queue);
  Sequence end = topics.visible_end(*queue->topic);
  while (std::optional<Sequence> sequence = state_->first_ready(*queue)) {
    auto record = topics.read_one(*queue->topic, *sequence);
    if (!record) return record.error();
    auto taken = state_->take(*queue, *sequence, holder);
    if (!*record) {
      state_->pass_over(*queue, *sequence);
      continue;
    }
    if (auto_settle) {
      if (Status settled = state_->settle(*queue, *sequence); !settled) {
        state_->release(*queue, *sequence);
        return settled.error();
      }
    }
    state_->count(*queue, auto_settle ? QueueEvent::taken_settled : QueueEvent::taken);
    if (taken.redelivered) state_->count(*queue, QueueEvent::redelivered);
    state_->journal_delivered(*queue);
    Delivery delivery{*sequence, taken.redelivered, taken.delivery_count, taken.failure_count,
                      0,         **record};
    delivery.ready_left = queue->cursor.ready_count(end);
    return Taken{std::move(delivery)};
  }
  state_->count(*queue, QueueEvent::found_empty);
  return Taken{};
}

Result<Commit> Queues::settle(std::string_view name, ConsumerId holder,
                              std::span<const Sequence> sequences, Settlement how) {
  Queue* queue = state_->find(name);
  if (!queue) return state_->broker.tail();
  for (Sequence sequence : sequences) {
    if (!queue->cursor.is_outstanding_at(sequence, holder) && !TRV_MUTANT(anyone_settles)) continue;
    Status done;
    switch (how) {
      case Settlement::complete:
        done = state_->settle(*queue, sequence);
        if (done) state_->count(*queue, QueueEvent::completed);
        break;
      case Settlement::release:
        state_->release(*queue, sequence);
        break;
      case Settlement::fail:
        state_->fail(*queue, sequence);
        break;
      case Settlement::discard:
        done = state_->discard(*queue, sequence, DeathReason::rejected);
        break;
    }
    if (!done) return done.error();
  }
  if (how == Settlement::release || how == Settlement::fail) {
    queue->head_checked.reset();
    state_->make_ready(*queue);
  }
  return state_->broker.tail();
}

std::optional<Sequence> Queues::State::first_ready(const Queue& queue) const {
  if (model::ReadyIndex* index = queue.index()) return index->first();
  return queue.cursor.first_ready(broker.topics().visible_end(*queue.topic));
}

model::QueueCursor::Taken Queues::State::take(Queue& queue, Sequence sequence, ConsumerId holder) {
  note_length(queue);
  if (model::ReadyIndex* index = queue.index()) index->take(sequence);
  return queue.cursor.take(sequence, holder);
}

void Queues::State::release(Queue& queue, Sequence sequence) {
  note_length(queue);
  if (!queue.cursor.release(sequence)) return;
  if (model::ReadyIndex* index = queue.index()) index->restore(sequence);
}

void Queues::State::fail(Queue& queue, Sequence sequence) {
  if (!queue.settings.strict) {
    release(queue, sequence);
    return;
  }
  if (!queue.cursor.is_outstanding(sequence)) return;
  std::optional<std::uint32_t> max = queue.settings.failures_max;
  if (max && queue.cursor.failure_count(sequence) >=
                 *max + (TRV_MUTANT(delivery_limit_off_by_one) ? 1 : 0)) {
    static_cast<void>(kill(queue, sequence, DeathReason::failures));
    return;
  }
  std::uint32_t count = queue.cursor.release_failed(sequence);
  if (model::ReadyIndex* index = queue.index()) index->restore(sequence);
  queue.extras->failed.push_back({sequence, count});
  mark_dirty(queue);
}

std::uint64_t Queues::settled_size(std::string_view queue, std::uint64_t count) {
  return size_of_settled(queue, count, 0, count / settled_per_entry_max + 1);
}

Status Queues::State::promise_settled(Queue& queue, std::uint64_t apart, std::uint64_t in_row) {
  std::uint64_t entries = (apart + in_row) / settled_per_entry_max;
  // As many promises of one as an entry takes pay for one more entry, too.
  if (queue.settled_promised == 0 || queue.settled.size() % settled_per_entry_max == 0) ++entries;
  std::uint64_t size = size_of_settled(queue.name, apart, in_row, entries);
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
  if (!settle(queue, sequence)) apply_settled(queue, sequence);
}

void Queues::State::try_again_later(Queue& queue) {
  if (std::find(refused.begin(), refused.end(), queue.name) == refused.end()) {
    refused.push_back(queue.name);
  }
}

void Queues::State::note_settled(Queue& queue, Sequence sequence) {
  apply_settled(queue, sequence);
  if (queue.durable()) queue.settled.push_back(sequence);
}

void Queues::State::apply_settled(Queue& queue, Sequence sequence) {
  note_length(queue);
  queue.cursor.apply_settle(sequence);
  model::ReadyIndex* index = queue.index();
  if (!index) return;
  index->forget(sequence);
  index->forget_below(queue.cursor.floor());
}

void Queues::State::mark_dirty(Queue& queue) {
  if (queue.dirty) return;
  queue.dirty = true;
  dirty.push_back(&queue);
}

void Queues::State::journal_failed(Queue& queue) {
  if (!queue.extras || queue.extras->failed.empty()) return;
  auto failed = std::exchange(queue.extras->failed, {});
  // Settled or failed again since: only what stands at the round's end is told.
  std::erase_if(failed, [&](const auto& one) { return !queue.cursor.is_ready(one.sequence); });
  std::stable_sort(failed.begin(), failed.end(),
                   [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  if (failed.empty() || !queue.durable()) return;
  std::string payload;
  encode_failures(queue.name, failed, payload);
  // Without it a restart gives the record one more chance; the requeueing stands.
  static_cast<void>(broker.journal(Space::less, entry::queue_failed, queue.topic->shard, payload));
}

void Queues::State::journal_settled(Queue& queue) {
  queue.dirty = false;
  journal_failed(queue);
  if (queue.settled.empty()) return;
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
  if (queue.settings.single_active && !TRV_MUTANT(several_active_consumers)) {
    Queue::Consumer* active = active_consumer(queue);
    return has_credit(*active) ? active : nullptr;
  }
  Queue::Consumer* chosen = nullptr;
  std::size_t chosen_index = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t index = (queue.next_consumer + i) % count;
    Queue::Consumer& consumer = *queue.consumers[index];
    if (!has_credit(consumer)) continue;
    if (chosen &&
        (consumer.spec.priority <= chosen->spec.priority || TRV_MUTANT(consumer_priority_ignored)))
      continue;
    chosen = &consumer;
    chosen_index = index;
  }
  if (chosen) queue.next_consumer = (chosen_index + 1) % count;
  return chosen;
}

Queue::Consumer* Queues::State::active_consumer(Queue& queue) {
  if (queue.consumers.empty()) return nullptr;
  auto it = std::find_if(queue.consumers.begin(), queue.consumers.end(),
                         [&](auto& c) { return c->id == queue.extras->active; });
  if (it == queue.consumers.end()) it = queue.consumers.begin();
  queue.extras->active = (*it)->id;
  return it->get();
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
  auto taken = take(queue, record.sequence, consumer->id);
  if (consumer->spec.auto_settle && !settle(queue, record.sequence)) {
    release(queue, record.sequence);
    try_again_later(queue);
    return false;
  }
  if (consumer->credit != credit_unlimited) --consumer->credit;
  count(queue, consumer->spec.auto_settle ? QueueEvent::delivered_settled : QueueEvent::delivered);
  if (taken.redelivered) count(queue, QueueEvent::redelivered);
  batches[index_of(queue, consumer)].push_back(
      {record.sequence, taken.redelivered, taken.delivery_count, taken.failure_count, 0, record});
  return true;
}

void Queues::State::dispatch(Queue& queue) {
  if (!refresh_index(queue)) {
    make_ready(queue);
    return;
  }
  bool open = std::any_of(queue.consumers.begin(), queue.consumers.end(),
                          [](auto& c) { return has_credit(*c); });
  // Delivering fresh records in their order looks at their deadlines itself.
  if (!open || queue.index() || queue.cursor.first_released()) expire_head(queue);
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
  while (open && !more) {
    model::ReadyIndex* index = queue.index();
    std::optional<Sequence> released = index ? index->first() : queue.cursor.first_released();
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
  if (open && !more && !queue.warming && !queue.index() && !queue.cursor.first_released()) {
    auto visit = [&](const model::StoredRecord& record) {
      queue.cursor.skip_to(record.sequence);
      std::optional<std::int64_t> deadline = deadline_ms(queue, record);
      const bool due = deadline && broker.wall_now().ms > *deadline;
      if (due && !goes_at_once(queue, record, deadline)) {
        take(queue, record.sequence, dying_holder);
        return kill(queue, record.sequence, DeathReason::expired);
      }
      return give(record);
    };
    std::optional<BlobRange> cold;
    Result<Sequence> read = topics.read_warm(*queue.topic, queue.cursor.next(), visit, cold);
    if (!read) log::error("queue {}: {}", queue.name, read.error().message);
    if (cold) await(queue, *cold);
  }
  if (!more && queue.settings.limits.any()) enforce_limits(queue);
  if (!more && !queue.warming) expire_head(queue);  // of those that nobody has credit for
  if (count == 0) return;
  journal_delivered(queue);
  if (more) make_ready(queue);
  std::vector<std::pair<std::function<void(std::vector<Delivery>)>, std::size_t>> sinks;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (!batches[i].empty()) sinks.emplace_back(queue.consumers[i]->spec.sink, i);
  }
  for (auto& [sink, index] : sinks) sink(std::move(batches[index]));
}

void Queues::State::await(Queue& queue, BlobRange cold) {
  queue.warming = true;
  broker.cold_reads().wait(cold, [this, name = queue.name] {
    Queue* found = find(name);
    if (found == nullptr) return;
    found->warming = false;
    make_ready(*found);
  });
}

// --- for the broker ------------------------------------------------------------------------------

void Queues::on_visible(Topic& topic, std::uint64_t count) {
  for (Queue* queue : topic.queues) {
    state_->count(*queue, QueueEvent::shown, count);
    state_->note_length(*queue);
    state_->make_ready(*queue);
  }
  if (topic.counted) {
    topic.counted->traffic.add(QueueEvent::shown, state_->broker.core().now(), count);
  }
}

void Queues::on_trimmed(Topic& topic) {
  for (Queue* queue : topic.queues) {
    state_->note_length(*queue);
    queue->cursor.apply_settle_below(topic.state.start());
    if (model::ReadyIndex* index = queue->index()) index->forget_below(topic.state.start());
  }
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
  state_->look_at_lengths();
  for (const std::string& name : std::exchange(state_->refused, {})) {
    if (Queue* queue = state_->find(name)) {
      queue->head_checked.reset();
      state_->make_ready(*queue);
    }
  }
}

void Queues::start() {
  on_policies();
  for (auto& [name, queue] : state_->by_name) {
    touch(name);
    state_->begin_lengths(*queue);
    if (model::ReadyIndex* index = queue->index()) index->forget_below(queue->cursor.floor());
    state_->make_ready(*queue);
    // Declared just before a crash, its place may not be known.
    if (!queue->settings.source.empty()) {
      state_->broker.catalog().place_queue(name, queue->settings.source);
    }
  }
}

void Queues::stop() {
  state_->dying_retry.cancel();
  for (auto& [name, queue] : state_->by_name) {
    queue->consumers.clear();
    if (queue->extras) queue->extras->unused.cancel();
  }
}

void Queues::trim_settled() {
  for (auto& [name, queue] : state_->by_name) {
    if (!queue->owns_topic() || queue->topic->queues.size() != 1) continue;
    if (queue->topic->has_groups()) continue;
    // Refused: tried again with the next checkpoint.
    static_cast<void>(state_->broker.topics().trim_to(*queue->topic, queue->cursor.floor()));
  }
}

}  // namespace trv::broker
