// What queues with limits, priorities or a life span do beyond delivering in order.
#include <algorithm>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/detail/queues_state.h"

namespace trv::broker {
namespace {

// Records entered into an index in one go.
constexpr std::size_t index_records_max = 16384;
constexpr std::chrono::seconds removal_retry{1};

}  // namespace

void Queues::State::add_extras(Queue& queue) {
  const QueueSettings& settings = queue.settings;
  bool indexed = settings.level_max > 0 || settings.limits.bytes_max;
  bool wanted = indexed || settings.unused_ms_max || settings.single_active || settings.strict;
  if (!wanted) return;
  queue.extras = std::make_unique<QueueExtras>();
  add_index(queue);
}

void Queues::State::add_index(Queue& queue) {
  const QueueSettings& settings = queue.settings;
  if (settings.level_max == 0 && !settings.limits.bytes_max) return;
  queue.extras->index.emplace(
      model::ReadyIndex::Options{settings.level_max, settings.limits.bytes_max.has_value()},
      queue.cursor.floor());
  queue.extras->has_deadlines = settings.message_ttl_ms.has_value();
}

bool Queues::State::refresh_index(Queue& queue) {
  model::ReadyIndex* index = queue.index();
  if (!index) return true;
  Topics& topics = broker.topics();
  const MessageCodec* codec = broker.codecs().message;
  // What the topic hides, nobody will get.
  auto pass_hidden = [&](Sequence to) {
    for (Sequence at = index->end(); at < to; ++at) {
      if (queue.cursor.is_ready(at)) pass_over(queue, at);
    }
    if (to > index->end()) index->pass_to(to);
  };
  Sequence end = topics.visible_end(*queue.topic);
  if (index->end() >= end) return true;
  std::size_t count = 0;
  Result<Sequence> read =
      topics.read(*queue.topic, index->end(), [&](const model::StoredRecord& record) {
        pass_hidden(record.sequence);
        std::size_t size = record.value ? record.value->size() : 0;
        queue.extras->unindexed_bytes -=
            std::min<std::uint64_t>(queue.extras->unindexed_bytes, size);
        if (queue.cursor.is_ready(record.sequence)) {
          std::uint8_t level = codec ? codec->priority(record) : 0;
          index->add(record.sequence, level, static_cast<std::uint32_t>(size));
          if (deadline_ms(queue, record)) queue.extras->has_deadlines = true;
        } else if (queue.cursor.is_outstanding(record.sequence)) {
          // Given out before there was an index.
          std::uint8_t level = codec ? codec->priority(record) : 0;
          index->add(record.sequence, level, static_cast<std::uint32_t>(size));
          index->take(record.sequence);
        } else {
          index->pass_to(record.sequence + 1);
        }
        return ++count < index_records_max;
      });
  if (!read) {
    // As for plain queues, delivery stops before what cannot be read.
    log::error("queue {}: {}", queue.name, read.error().message);
    return true;
  }
  if (count >= index_records_max) return false;
  pass_hidden(std::min(end, *read));
  return true;
}

void Queues::State::enforce_limits(Queue& queue) {
  const model::QueueLimits& limits = queue.settings.limits;
  if (limits.overflow != model::Overflow::drop_oldest) return;
  Sequence end = broker.topics().visible_end(*queue.topic);
  auto bytes = [&] { return queue.index() ? queue.index()->bytes() : 0; };
  const std::uint64_t slack = TRV_MUTANT(max_length_off_by_one) ? 1 : 0;
  while (limits.exceeded_by(queue.cursor.ready_count(end) - slack, bytes())) {
    std::optional<Sequence> head = first_ready(queue);
    if (!head) return;
    take(queue, *head, dying_holder);
    if (!kill(queue, *head, DeathReason::overflow)) return;
  }
}

bool Queues::admits(Topic& topic, const model::NewRecord& record) {
  Queue& queue = *topic.gate;
  const model::QueueLimits& limits = queue.settings.limits;
  // Appended records count before they are visible, but not those that consumers wait for.
  std::uint64_t wanted = 0;
  for (const auto& consumer : queue.consumers) wanted += consumer->credit;
  Sequence end = topic.state.end() + topic.builder.record_count();
  std::uint64_t count = queue.cursor.ready_count(end);
  count -= std::min(count, wanted);
  model::ReadyIndex* index = queue.index();
  std::uint64_t bytes = index ? index->bytes() + queue.extras->unindexed_bytes : 0;
  if (TRV_MUTANT(full_queue_admits_one_more) && count > 0) --count;
  if (!limits.exceeded_by(count + 1, bytes + record.value.size())) {
    if (index) queue.extras->unindexed_bytes += record.value.size();
    return true;
  }
  if (limits.overflow == model::Overflow::refuse_to_dead_letters &&
      queue.settings.dead_letter_exchange && state_->broker.codecs().message) {
    state_->kill_refused(queue, record);
  }
  return false;
}

void Queues::State::kill_refused(const Queue& queue, const model::NewRecord& record) {
  // In a later handler: the publisher is in the middle of a publication.
  broker.core().post([this, name = queue.name, origin = record.origin,
                      value = std::string(record.value), envelope = std::string(record.envelope)] {
    Queue* found = find(name);
    if (!found) return;
    model::StoredRecord dead;
    dead.origin = origin;
    dead.timestamp_ms = broker.wall_now().ms;
    dead.value = ByteView(value);
    dead.envelope = envelope;
    publish_dead_letter(*found, dead, DeathReason::overflow, [](bool) {});
  });
}

// --- going unused --------------------------------------------------------------------------------

void Queues::touch(std::string_view name) {
  Queue* queue = state_->find(name);
  if (!queue || !queue->settings.unused_ms_max) return;
  queue->extras->used_at = state_->broker.core().now();
  if (!queue->extras->unused.armed()) {
    state_->arm_unused(*queue, std::chrono::milliseconds(*queue->settings.unused_ms_max));
  }
}

void Queues::State::arm_unused(Queue& queue, runtime::Duration delay) {
  queue.extras->unused =
      broker.core().schedule(delay, [this, name = queue.name] { remove_unused(name); });
}

void Queues::State::remove_unused(const std::string& name) {
  Queue* queue = find(name);
  if (!queue) return;
  // Its last consumer will touch it.
  if (!queue->consumers.empty()) return;
  runtime::SteadyTime due =
      queue->extras->used_at + std::chrono::milliseconds(*queue->settings.unused_ms_max);
  runtime::SteadyTime now = broker.core().now();
  if (now < due) {
    arm_unused(*queue, due - now);
    return;
  }
  // Full disks pass.
  if (!broker.queues().remove(name, {})) arm_unused(*queue, removal_retry);
}

}  // namespace trv::broker
