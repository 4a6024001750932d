#include "amqp/reader.h"

#include <algorithm>

#include "base/log.h"
#include "broker/cold_reads.h"
#include "model/topic.h"

namespace trv::amqp {

namespace {

// Records in one hand-over, so that a reader far behind does not keep the core for long.
constexpr std::uint32_t batch_count_max = 512;
constexpr std::size_t batch_bytes_max = 4u << 20;
// The same of records that are read and not delivered, too.
constexpr std::uint32_t seen_count_max = 4096;

Result<Sequence> place_of(broker::Topics& topics, broker::Topic& topic, StreamStart start) {
  const model::Topic& state = topics.state(topic);
  const Sequence end = topics.visible_end(topic);
  switch (start.kind) {
    case StreamStart::Kind::first:
      return state.start();
    case StreamStart::Kind::last:
      return end > state.start() ? Sequence(end.value - 1) : end;
    case StreamStart::Kind::next:
      return end;
    case StreamStart::Kind::sequence:
      return std::clamp(Sequence(start.value), state.start(), end);
    case StreamStart::Kind::time:
      return topics.sequence_of(
          topic, RecordId{static_cast<std::uint64_t>(std::max<std::int64_t>(0, start.value)), 0});
  }
  return end;
}

}  // namespace

Result<ConsumerId> StreamReaders::open(const std::string& name, StreamStart start,
                                       std::optional<StreamFilter> filter, Sink sink,
                                       std::function<void()> on_gone) {
  broker::Topic* topic = broker_.topics().find(name);
  if (!topic) return Error{Errc::not_found, name};
  auto place = place_of(broker_.topics(), *topic, start);
  if (!place) return place.error();
  const ConsumerId id(++last_id_);
  Reader& reader = readers_[id];
  reader.topic = name;
  reader.topic_id = broker_.topics().state(*topic).id();
  reader.filter = std::move(filter);
  reader.next = *place;
  reader.sink = std::move(sink);
  reader.on_gone = std::move(on_gone);
  return id;
}

StreamReaders::~StreamReaders() {
  *self_ = nullptr;
  stop();
}

void StreamReaders::grant(ConsumerId id, std::uint32_t count) {
  const auto found = readers_.find(id);
  if (found == readers_.end()) return;
  found->second.credit += count;
  schedule(id, found->second);
}

void StreamReaders::schedule(ConsumerId id, Reader& reader) {
  if (reader.watching || reader.credit == 0 || std::exchange(reader.scheduled, true)) return;
  broker_.core().post([self = self_, id] {
    if (*self) (*self)->pump(id);
  });
}

void StreamReaders::close(ConsumerId id) {
  const auto found = readers_.find(id);
  if (found == readers_.end()) return;
  if (found->second.watching) broker_.topics().unwatch(found->second.topic, found->second.watch);
  readers_.erase(found);
}

void StreamReaders::stop() {
  while (!readers_.empty()) close(readers_.begin()->first);
}

void StreamReaders::wait(ConsumerId id, Reader& reader) {
  reader.watching = true;
  reader.watch = broker_.topics().watch(reader.topic, [this, id] {
    const auto found = readers_.find(id);
    if (found == readers_.end()) return;
    found->second.watching = false;
    pump(id);
  });
}

void StreamReaders::await(ConsumerId id, Reader& reader, BlobRange cold) {
  reader.scheduled = true;
  broker_.cold_reads().wait(cold, [self = self_, id] {
    if (*self) (*self)->pump(id);
  });
}

void StreamReaders::end_gone(ConsumerId id) {
  const auto found = readers_.find(id);
  const auto gone = std::move(found->second.on_gone);
  readers_.erase(found);
  gone();
}

void StreamReaders::pump(ConsumerId id) {
  const auto found = readers_.find(id);
  if (found == readers_.end()) return;
  Reader& reader = found->second;
  reader.scheduled = false;
  broker::Topic* topic = broker_.topics().find(reader.topic);
  if (!topic || broker_.topics().state(*topic).id() != reader.topic_id) {
    end_gone(id);
    return;
  }
  std::vector<broker::Delivery> deliveries;
  std::size_t bytes = 0;
  std::uint32_t seen = 0;
  const std::uint32_t count_max = std::min(reader.credit, batch_count_max);
  if (count_max == 0) return;
  const auto visit = [&](const model::StoredRecord& record) {
    ++seen;
    bytes += record.value ? record.value->size() : 0;
    if (!reader.filter || reader.filter->matches(broker_, record)) {
      broker::Delivery delivery;
      delivery.sequence = record.sequence;
      delivery.record = record;
      deliveries.push_back(std::move(delivery));
    }
    return deliveries.size() < count_max && seen < seen_count_max && bytes < batch_bytes_max;
  };
  std::optional<BlobRange> cold;
  const auto next = broker_.topics().read_warm(*topic, reader.next, visit, cold);
  if (!next) {
    // Damage in the log: the consumer is told rather than left waiting, and the operator, too,
    // since basic.cancel has no words.
    log::error("a reader of topic {} ends: {}", reader.topic, next.error().message);
    end_gone(id);
    return;
  }
  reader.next = *next;
  if (seen == 0 && !cold) {
    wait(id, reader);
    return;
  }
  reader.credit -= static_cast<std::uint32_t>(deliveries.size());
  if (cold) {
    await(id, reader, *cold);
  } else {
    schedule(id, reader);
  }
  if (deliveries.empty()) return;
  broker_.queues().count_read(reader.topic, broker::QueueEvent::delivered, deliveries.size());
  reader.sink(std::move(deliveries));
}

}  // namespace trv::amqp
