// How many queues there are, what has happened to them, and how fast they become longer.
#include "base/assert.h"
#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/detail/queues_state.h"

namespace trv::broker {
namespace {

constexpr runtime::Duration look_interval = QueueTraffic::interval;

double difference(std::uint64_t now, std::uint64_t before) {
  return static_cast<double>(now) - static_cast<double>(before);
}

void take_look(LengthHistory& history, const Lengths& now, std::uint64_t look) {
  history.before = history.last;
  history.last = now;
  history.look = look;
}

std::size_t memory_of(const Queue& queue) {
  std::size_t bytes = sizeof(queue) + queue.name.size() + queue.settings.arguments.size() +
                      queue.cursor.memory_bytes() +
                      queue.consumers.size() * sizeof(Queue::Consumer);
  if (const model::ReadyIndex* index = queue.index()) bytes += index->memory_bytes();
  if (queue.owns_topic()) bytes += sizeof(*queue.topic) + queue.topic->state.index_bytes();
  return bytes;
}

}  // namespace

// --- names ---------------------------------------------------------------------------------------

void Queues::State::add_name(Queue& queue) {
  const bool is_new = !by_name.contains(queue.name) && !logs.contains(queue.name);
  by_name.insert_or_assign(queue.name, &queue);
  if (is_new) count_name(queue.name);
}

void Queues::State::drop_name(std::string_view name) {
  const auto found = by_name.find(name);
  if (found == by_name.end()) return;
  if (!logs.contains(name)) uncount_name(name);
  by_name.erase(found);
}

void Queues::State::count_name(std::string_view name) {
  ++counts.try_emplace(std::string(scope_of(name)), 0).first->second;
}

void Queues::State::uncount_name(std::string_view name) {
  if (TRV_MUTANT(queue_that_is_gone_counts)) return;
  const auto found = counts.find(scope_of(name));
  TRV_ASSERT(found != counts.end());
  if (--found->second == 0) counts.erase(found);
}

std::size_t Queues::count(std::string_view scope) const {
  const auto found = state_->counts.find(scope);
  return found == state_->counts.end() ? 0 : found->second;
}

// --- logs that count as queues -------------------------------------------------------------------

void Queues::adopt_log(Topic& topic) {
  if (topic.counted) return;
  const std::string& name = topic.state.name();
  if (!state_->find(name) && !TRV_MUTANT(log_is_no_queue)) state_->count_name(name);
  auto log = std::make_unique<CountedLog>();
  log->topic = &topic;
  log->lengths.last.ready = state_->broker.topics().live_count(topic);
  topic.counted = log.get();
  state_->logs.insert_or_assign(name, std::move(log));
}

void Queues::on_log_created(Topic& topic) {
  if (topic.counted) return;
  adopt_log(topic);
  state_->churn.add(QueuesEvent::created, state_->broker.core().now());
}

void Queues::drop_log(Topic& topic) {
  if (!topic.counted) return;
  const std::string& name = topic.state.name();
  if (!state_->find(name)) state_->uncount_name(name);
  topic.counted = nullptr;
  state_->logs.erase(name);
}

Queues::LogTraffic Queues::log_traffic(std::string_view name) const {
  const auto found = state_->logs.find(name);
  if (found == state_->logs.end()) return {};
  const CountedLog& log = *found->second;
  return {log.traffic.at(state_->broker.core().now()), state_->rates_of(&log.lengths)};
}

void Queues::count_read(std::string_view log, QueueEvent event, std::uint64_t count) {
  const auto found = state_->logs.find(log);
  if (found == state_->logs.end()) return;
  found->second->traffic.add(event, state_->broker.core().now(), count);
}

// --- what has happened ---------------------------------------------------------------------------

std::vector<QueueFacts> Queues::list() const {
  std::vector<QueueFacts> queues;
  queues.reserve(state_->by_name.size());
  for (const auto& [name, queue] : state_->by_name) {
    QueueFacts& facts = queues.emplace_back(state_->facts_of(*queue));
    facts.memory_bytes = memory_of(*queue);
    if (queue->traffic) facts.traffic = queue->traffic->at(state_->broker.core().now());
    facts.length_rates = state_->rates_of(queue->lengths.get());
  }
  return queues;
}

// --- lengths -------------------------------------------------------------------------------------

Lengths Queues::State::lengths_of(const Queue& queue) const {
  return {queue.cursor.ready_count(broker.topics().visible_end(*queue.topic)),
          queue.cursor.outstanding_count()};
}

// What was not looked at has not changed.
LengthRates Queues::State::rates_of(const LengthHistory* lengths) const {
  if (!lengths || look_seconds == 0) return {};
  if (lengths->look != looks && !TRV_MUTANT(rate_of_a_queue_that_rests)) return {};
  return {difference(lengths->last.ready, lengths->before.ready) / look_seconds,
          difference(lengths->last.outstanding, lengths->before.outstanding) / look_seconds};
}

void Queues::State::note_length(Queue& queue) {
  if (queue.changed_place) return;
  queue.changed_place = static_cast<std::uint32_t>(changed_lengths.size());
  changed_lengths.push_back(&queue);
}

void Queues::State::forget_length(Queue& queue) {
  if (queue.changed_place) changed_lengths[*queue.changed_place] = nullptr;
  queue.changed_place.reset();
}

void Queues::State::begin_lengths(Queue& queue) const {
  const Lengths now = lengths_of(queue);
  if (now.ready == 0 && now.outstanding == 0) return;
  queue.lengths = std::make_unique<LengthHistory>();
  queue.lengths->last = now;
}

void Queues::State::look_at_lengths() {
  const runtime::SteadyTime now = broker.core().now();
  if (now - looked_at < look_interval) return;
  if (looks > 0) look_seconds = std::chrono::duration<double>(now - looked_at).count();
  looked_at = now;
  ++looks;
  for (Queue* queue : changed_lengths) {
    if (!queue) continue;
    queue->changed_place.reset();
    if (!queue->lengths) queue->lengths = std::make_unique<LengthHistory>();
    take_look(*queue->lengths, lengths_of(*queue), looks);
  }
  changed_lengths.clear();
  for (const auto& [name, log] : logs) {
    take_look(log->lengths, {broker.topics().live_count(*log->topic), 0}, looks);
  }
}

}  // namespace trv::broker
