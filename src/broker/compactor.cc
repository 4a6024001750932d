#include "broker/compactor.h"

#include <algorithm>
#include <deque>
#include <random>
#include <utility>

#include "broker/detail/cleaning_run.h"
#include "broker/detail/segment_emptying.h"
#include "broker/shard_state.h"
#include "runtime/process.h"

namespace trv::broker {
namespace {

// What a core may read and write for it; a tick is a tenth of a second.
constexpr std::int64_t bytes_per_tick = 3 << 20;
constexpr std::int64_t bytes_ahead_max = 4 * bytes_per_tick;
constexpr std::chrono::microseconds slice_time{700};
// How often partitions are looked at for cleaning.
constexpr std::chrono::seconds cleaning_interval{5};

}  // namespace

struct Compactor::State {
  explicit State(Broker& b) : broker(b) {}

  struct Partition {
    detail::TopicRef topic;
    PartitionIndex partition;
  };

  Broker& broker;
  CompactionCounters counters;
  std::optional<detail::SegmentEmptying> emptying;
  UniqueFunction<void()> emptied;
  std::optional<detail::CleaningRun> cleaning;
  std::deque<Partition> to_clean;
  runtime::SteadyTime next_look{};
  std::int64_t budget = bytes_ahead_max;
  bool slice_posted = false;
  bool waits = false;  // for the next tick: the journal has no place
  bool stopped = false;

  bool work_left() const { return emptying || cleaning || !to_clean.empty(); }
  void look_for_cleaning();
  void go_on();
  void slice();
  detail::Step step();
  void end_emptying();
};

Compactor::Compactor(Broker& broker) : state_(std::make_unique<State>(broker)) {}
Compactor::~Compactor() = default;

const CompactionCounters& Compactor::counters() const { return state_->counters; }

void Compactor::empty_segments(Segments segments, UniqueFunction<void()> done) {
  State& s = *state_;
  // The one under way would otherwise never come to its end where checkpoints follow each other
  // fast.
  if (s.stopped || s.emptying || segments.empty()) {
    done();
    return;
  }
  s.emptying.emplace(s.broker, std::move(segments), s.counters);
  s.emptied = std::move(done);
  s.go_on();
}

void Compactor::State::end_emptying() {
  emptying.reset();
  std::exchange(emptied, nullptr)();
}

void Compactor::State::look_for_cleaning() {
  if (cleaning || !to_clean.empty()) return;
  broker.each_shard([this](ShardState& shard) {
    for (const auto& [name, topic] : shard.topics) {
      if (!topic->state.settings().cleaning.on) continue;
      for (std::int32_t p = 0; p < topic->state.partition_count(); ++p) {
        if (!detail::cleaning_due(broker, *topic, PartitionIndex(p))) continue;
        to_clean.push_back({{shard.id, topic->state.id()}, PartitionIndex(p)});
      }
    }
  });
}

void Compactor::tick() {
  State& s = *state_;
  if (s.stopped) return;
  s.budget = std::min(s.budget + bytes_per_tick, bytes_ahead_max);
  s.waits = false;
  runtime::SteadyTime now = s.broker.core().now();
  if (now >= s.next_look) {
    s.next_look = now + cleaning_interval;
    s.look_for_cleaning();
  }
  s.go_on();
}

void Compactor::test_clean() {
  state_->look_for_cleaning();
  state_->go_on();
}

bool Compactor::test_busy() const { return state_->work_left(); }

void Compactor::stop() {
  state_->stopped = true;
  state_->to_clean.clear();
  state_->cleaning.reset();
  state_->emptying.reset();
}

void Compactor::State::go_on() {
  if (stopped || slice_posted || waits || budget <= 0 || !work_left()) return;
  slice_posted = true;
  broker.core().post([this] {
    slice_posted = false;
    slice();
    go_on();
  });
}

void Compactor::State::slice() {
  if (stopped) return;
  const runtime::SteadyTime end = runtime::steady_now() + slice_time;
  while (!waits && budget > 0 && work_left()) {
    // What it takes is not worth what it gives while nothing else can be written.
    if (!broker.writable() || step() == detail::Step::later) waits = true;
    if (runtime::steady_now() >= end) return;
  }
}

// Segments first: they give space back.
detail::Step Compactor::State::step() {
  std::uint64_t cost = 0;
  detail::Step result = detail::Step::done;
  if (emptying) {
    result = emptying->step(cost);
    budget -= static_cast<std::int64_t>(cost);
    if (result == detail::Step::done) end_emptying();
    return result;
  }
  if (!cleaning) {
    Partition next = to_clean.front();
    to_clean.pop_front();
    std::random_device random;
    std::uint64_t seed = std::uint64_t{random()} << 32 | random();
    cleaning.emplace(broker, next.topic, next.partition, seed, counters);
  }
  result = cleaning->step(cost);
  budget -= static_cast<std::int64_t>(cost);
  if (result == detail::Step::done) cleaning.reset();
  return result;
}

}  // namespace trv::broker
