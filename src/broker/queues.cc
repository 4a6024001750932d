#include "broker/queues.h"

#include <algorithm>

#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/detail/queues_state.h"
#include "broker/entry.h"

namespace trv::broker {
namespace {

// What declaring takes in the journal at most, besides the client's own bytes.
constexpr std::uint64_t declared_size_max = 4096;

}  // namespace

void QueueDeleter::operator()(Queue* queue) const { delete queue; }

Queues::Queues(Broker& broker) : state_(std::make_unique<State>(broker)) {}
Queues::~Queues() = default;

Queue* Queues::State::find(std::string_view name) const {
  auto it = by_name.find(name);
  return it == by_name.end() ? nullptr : it->second;
}

QueueFacts Queues::State::facts_of(Queue& queue) const {
  QueueFacts facts;
  facts.name = queue.name;
  facts.settings = queue.settings;
  const Lengths lengths = lengths_of(queue);
  facts.ready_count = lengths.ready;
  facts.outstanding_count = lengths.outstanding;
  facts.consumer_count = static_cast<std::uint32_t>(queue.consumers.size());
  if (queue.governed) {
    facts.policy = queue.governed->policy;
    facts.operator_policy = queue.governed->operator_policy;
  }
  if (queue.settings.single_active && !queue.consumers.empty()) {
    // Nobody was chosen while there was nothing to give.
    facts.active = queue.consumers.front()->id;
    for (const auto& consumer : queue.consumers) {
      if (consumer->id == queue.extras->active) facts.active = consumer->id;
    }
  }
  return facts;
}

void Queues::State::count(Queue& queue, QueueEvent event, std::uint64_t count) const {
  if (!queue.traffic) queue.traffic = std::make_unique<QueueTraffic>();
  queue.traffic->add(event, broker.core().now(), count);
}

Queue& Queues::State::insert(const std::string& name, const QueueSettings& settings, Topic& topic,
                             Sequence start) {
  std::unique_ptr<Queue, QueueDeleter> queue(new Queue(name, settings, topic));
  queue->cursor = model::QueueCursor(start);
  Queue* raw = queue.get();
  broker.shard(topic.shard).queues.insert_or_assign(name, std::move(queue));
  add_name(*raw);
  topic.queues.push_back(raw);
  if (settings.source.empty()) {
    if (settings.limits.refuses()) topic.gate = raw;
    topic.strict = topic.strict || settings.strict;
  }
  add_extras(*raw);
  return *raw;
}

Status Queues::State::journal_declared(const std::string& name, const QueueSettings& settings,
                                       const Topic& topic) {
  std::string payload;
  ByteWriter writer(payload);
  writer.u64_le(topic.state.id().value);
  writer.sized(name);
  writer.i64_le(topic.state.start().value);
  encode(settings, payload);
  auto kept = broker.journal(Space::more, entry::queue_declared, topic.shard, payload);
  return kept ? Status() : Status(kept.error());
}

Result<Queues::Declared> Queues::declare(const std::string& name, const QueueSettings& settings,
                                         ConnectionId connection) {
  if (Queue* queue = state_->find(name)) {
    touch(name);
    if (queue->settings.exclusive && queue->settings.owner != connection) {
      return Error{Errc::locked, "queue is exclusive to another connection"};
    }
    return Declared{false, state_->facts_of(*queue), state_->broker.tail()};
  }
  Broker& broker = state_->broker;
  Topic* topic = broker.topics().find(settings.source.empty() ? name : settings.source);
  if (!topic && !settings.source.empty()) return Error{Errc::not_found, "no such source"};
  const bool durable = settings.durable && !settings.exclusive;
  if (durable) {
    // Both entries, the log's and the queue's, or neither.
    const std::uint64_t size = declared_size_max + 2 * name.size() + settings.arguments.size();
    if (Status room = broker.promise(Space::more, size); !room) return room.error();
    broker.take_back(size);
  }
  if (!topic) {
    model::TopicSettings log;
    log.owned_by_queue = true;
    log.transient = !durable;
    log.durability = log.transient ? Durability::memory : broker.options().durability;
    Result<Topics::Created> created = broker.topics().create(name, log);
    if (!created) return created.error();
    topic = created->topic;
  }
  QueueSettings stored = settings;
  stored.owner = settings.exclusive ? connection : ConnectionId{};
  Sequence start = broker.topics().state(*topic).start();
  if (is_journaled(stored, *topic)) {
    if (Status kept = state_->journal_declared(name, stored, *topic); !kept) return kept.error();
  }
  Queue& queue = state_->insert(name, stored, *topic, start);
  state_->begin_lengths(queue);
  state_->churn.add(QueuesEvent::created, broker.core().now());
  if (!settings.source.empty()) broker.catalog().place_queue(name, settings.source);
  state_->apply_policies(queue);
  touch(name);
  return Declared{true, state_->facts_of(queue), broker.tail()};
}

std::optional<QueueFacts> Queues::find(std::string_view name) {
  Queue* queue = state_->find(name);
  if (!queue) return std::nullopt;
  // Who asks how long it is must not see what is about to be dropped.
  if (queue->settings.limits.any()) {
    bool wanted = std::any_of(queue->consumers.begin(), queue->consumers.end(),
                              [](const auto& consumer) { return consumer->credit > 0; });
    if (!wanted && state_->refresh_index(*queue)) state_->enforce_limits(*queue);
  }
  return state_->facts_of(*queue);
}

EventCounts<QueuesEvent>::Totals Queues::churn() const {
  return state_->churn.at(state_->broker.core().now());
}

void Queues::State::remove_bindings(const std::string& name) {
  broker.at(Catalog::home, [name](Broker& home) {
    home.catalog().clean_up(model::encode(model::RemoveTarget{name}));
  });
}

void Queues::State::leave_topic(Queue& queue) {
  std::erase(queue.topic->queues, &queue);
  if (queue.topic->gate != &queue) return;
  queue.topic->gate = nullptr;
}

void Queues::State::erase(Queue& queue) {
  std::string name = queue.name;
  churn.add(QueuesEvent::removed, broker.core().now());
  for (const auto& consumer : queue.consumers) {
    if (consumer->spec.on_gone) consumer->spec.on_gone();
  }
  leave_topic(queue);
  std::erase(ready, &queue);
  std::erase(dirty, &queue);
  broker.take_back(queue.settled_promised);
  if (!queue.settings.source.empty()) broker.catalog().place_queue(name, "");
  forget_length(queue);
  drop_name(name);
  broker.shard(queue.topic->shard).queues.erase(name);
  remove_bindings(name);
}

Result<Queues::RemovedQueue> Queues::remove(std::string_view name, RemoveConditions conditions) {
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  QueueFacts facts = state_->facts_of(*queue);
  if (conditions.if_unused && facts.consumer_count > 0) return Error{Errc::in_use, "in use"};
  if (conditions.if_empty && facts.ready_count > 0 && !TRV_MUTANT(if_empty_ignored)) {
    return Error{Errc::precondition_failed, "not empty"};
  }
  Broker& broker = state_->broker;
  if (queue->owns_topic()) {
    Result<Commit> removed = broker.topics().remove(queue->topic->state.name());
    if (!removed) return removed.error();
    return RemovedQueue{facts.ready_count, *removed};
  }
  if (queue->durable()) {
    std::string payload;
    ByteWriter(payload).sized(queue->name);
    auto kept = broker.journal(Space::less, entry::queue_removed, queue->topic->shard, payload);
    if (!kept) return kept.error();
  }
  state_->erase(*queue);
  return RemovedQueue{facts.ready_count, broker.tail()};
}

void Queues::detach_topic(Topic& topic) {
  if (topic.counted) state_->churn.add(QueuesEvent::removed, state_->broker.core().now());
  drop_log(topic);
  std::vector<Queue*> queues = topic.queues;
  for (Queue* queue : queues) state_->erase(*queue);
}

Result<Queues::RemovedQueue> Queues::purge(std::string_view name) {
  Queue* queue = state_->find(name);
  if (!queue) return Error{Errc::not_found, "no such queue"};
  Broker& broker = state_->broker;
  RemovedQueue purged;
  Sequence end = broker.topics().visible_end(*queue->topic);
  Result<Sequence> counted = broker.topics().read(*queue->topic, queue->cursor.next(),
                                                  [&purged](const model::StoredRecord&) {
                                                    ++purged.ready_count;
                                                    return true;
                                                  });
  if (!counted) return counted.error();
  // All or nothing: room for the whole of it first.
  if (queue->durable()) {
    auto fresh = std::max<std::int64_t>(end.value - queue->cursor.next().value, 0);
    Status room = state_->promise_settled(*queue, queue->cursor.released_count(),
                                          static_cast<std::uint64_t>(fresh));
    if (!room) return room.error();
  }
  while (std::optional<Sequence> sequence = queue->cursor.first_released()) {
    state_->note_settled(*queue, *sequence);
    ++purged.ready_count;
  }
  for (Sequence at = queue->cursor.next(); at < end; ++at) {
    queue->cursor.skip_to(at + 1);
    state_->note_settled(*queue, at);
  }
  purged.commit = broker.tail();
  return purged;
}

void Queues::remove_exclusive(ConnectionId connection) {
  std::vector<std::string> names;
  for (const auto& [name, queue] : state_->by_name) {
    if (queue->settings.exclusive && queue->settings.owner == connection) names.push_back(name);
  }
  if (TRV_MUTANT(exclusive_queue_outlives_its_connection)) return;
  for (const std::string& name : names) static_cast<void>(remove(name, {}));
}

}  // namespace trv::broker
