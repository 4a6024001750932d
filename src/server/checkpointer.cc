#include "server/checkpointer.h"

#include <utility>

#include "base/log.h"
#include "broker/queues.h"
#include "runtime/process.h"

namespace trv::server {
namespace {

constexpr std::chrono::milliseconds watch_interval{500};
constexpr std::chrono::milliseconds watch_first{20};
// How long replay may take before the next checkpoint is due; and what is not worth one at the end.
constexpr std::chrono::milliseconds replay_time_max{200};
constexpr std::chrono::milliseconds replay_time_ignored{5};
// What replay does in a microsecond, on a slow machine.
constexpr std::uint64_t entries_per_us = 1;
constexpr std::uint64_t bytes_per_us = 600;
// A checkpoint is written and read at about this speed: a large state is not written for a small
// gain.
constexpr std::uint64_t state_bytes_per_us = 300;

}  // namespace

struct Checkpointer::Run {
  Checkpointer* owner;  // null after stop()
  std::uint64_t id = 0;
  std::string mark;
  std::size_t cores_missing = 0;
  bool failed = false;
  std::vector<storage::CheckpointSection> sections;
  std::set<std::uint64_t> live;
  std::uint64_t size = 0;
  runtime::SteadyTime begun;
  // What one core has taken so far; touched by that core alone until it hands it over.
  struct Share {
    std::vector<storage::CheckpointSection> sections;
    std::set<std::uint64_t> live;
    bool durable = false;
    runtime::Duration pause_max{};  // the longest time that it kept its core from anything else
  };
  std::vector<Share> shares;
};

Checkpointer::Checkpointer(storage::Store& store, std::vector<broker::Broker*> brokers,
                           broker::Broker::Volume replayed)
    : store_(store), brokers_(std::move(brokers)), replayed_(replayed) {
  // It stands for all cores; each has about its share.
  replayed_.entries /= brokers_.size();
  replayed_.bytes /= brokers_.size();
}

void Checkpointer::start() { watch(watch_first); }

void Checkpointer::stop() {
  timer_.cancel();
  if (run_) run_->owner = nullptr;
  run_.reset();
}

void Checkpointer::watch(std::chrono::milliseconds delay) {
  timer_ = brokers_.front()->core().schedule(delay, [this] {
    if (!run_ && due()) begin();
    watch(watch_interval);
  });
}

// Of all cores together: they are replayed one after the other.
std::chrono::microseconds Checkpointer::replay_time() const {
  broker::Broker::Volume now = brokers_.front()->volume();
  std::uint64_t entries = replayed_.entries + now.entries - covered_.entries;
  std::uint64_t bytes = replayed_.bytes + now.bytes - covered_.bytes;
  return std::chrono::microseconds((entries / entries_per_us + bytes / bytes_per_us) *
                                   brokers_.size());
}

bool Checkpointer::due() const {
  std::chrono::microseconds state_time(state_size_ / state_bytes_per_us);
  return replay_time() >= std::max<std::chrono::microseconds>(replay_time_max, state_time);
}

void Checkpointer::begin() {
  run_ = std::make_shared<Run>();
  run_->owner = this;
  run_->id = store_.begin_checkpoint();
  run_->mark = storage::Store::mark_payload(run_->id);
  run_->cores_missing = brokers_.size();
  run_->shares.resize(brokers_.size());
  run_->begun = brokers_.front()->core().now();
  covered_ = brokers_.front()->volume();
  replayed_ = {};
  for (broker::Broker* broker : brokers_) {
    broker->core().post([run = run_, broker] {
      broker->queues().trim_settled();
      take_shards(run, *broker, 0);
    });
  }
}

void Checkpointer::take_shards(const std::shared_ptr<Run>& run, broker::Broker& broker, int shard) {
  ShardId id(static_cast<std::uint8_t>(shard));
  Run::Share& share = run->shares[broker.core().index().value];
  if (broker.owner_of(id) == broker.core().index()) {
    auto begun = runtime::steady_now();
    auto section = broker.checkpoint_shard(id, run->mark);
    share.pause_max = std::max(share.pause_max, runtime::steady_now() - begun);
    if (!section) {
      finish_core(run, broker);
      return;
    }
    share.sections.push_back(std::move(*section));
  }
  if (shard + 1 == shard_count) {
    broker.when_durable({broker.tail().round, Durability::fsync},
                        [run, &broker](Result<broker::Durable> durable) {
                          Run::Share& mine = run->shares[broker.core().index().value];
                          mine.durable = durable.ok();
                          auto begun = runtime::steady_now();
                          broker.collect_blobs(mine.live);
                          mine.pause_max = std::max(mine.pause_max, runtime::steady_now() - begun);
                          finish_core(run, broker);
                        });
    return;
  }
  broker.core().post([run, &broker, shard] { take_shards(run, broker, shard + 1); });
}

void Checkpointer::finish_core(const std::shared_ptr<Run>& run, broker::Broker& broker) {
  broker.post(CoreIndex(0), [run] {
    if (run->owner) run->owner->on_core_done(run);
  });
}

void Checkpointer::on_core_done(const std::shared_ptr<Run>& run) {
  if (--run->cores_missing > 0) return;
  for (Run::Share& share : run->shares) {
    run->failed = run->failed || !share.durable;
    for (auto& section : share.sections) {
      run->size += section.state.size();
      run->sections.push_back(std::move(section));
    }
    run->live.merge(share.live);
  }
  if (run->failed) {
    log::warn("checkpoint {} was given up: the journal takes no writes", run->id);
    run_.reset();
    return;
  }
  write(run);
}

void Checkpointer::write(const std::shared_ptr<Run>& run) {
  auto status = std::make_shared<Status>();
  brokers_.front()->core().offload(
      [run, status, store = &store_] {
        *status = store->write_checkpoint(run->id, std::move(run->sections));
        if (!*status) return;
        *status = store->reclaim({run->live.begin(), run->live.end()});
      },
      [run, status] {
        if (!*status) log::warn("checkpoint {}: {}", run->id, status->error().message);
        if (run->owner) run->owner->on_written(run);
      });
}

void Checkpointer::on_written(const std::shared_ptr<Run>& run) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  runtime::Duration pause{};
  for (const Run::Share& share : run->shares) pause = std::max(pause, share.pause_max);
  log::debug("checkpoint {}: {} bytes in {} us, no core busy for longer than {} us", run->id,
             run->size, duration_cast<microseconds>(runtime::steady_now() - run->begun).count(),
             duration_cast<microseconds>(pause).count());
  state_size_ = run->size;
  run_.reset();
}

// --- a clean end ---------------------------------------------------------------------------------

Checkpointer::Last Checkpointer::begin_last() {
  Last last;
  if (replay_time() >= replay_time_ignored) last.id_ = store_.begin_checkpoint();
  return last;
}

void Checkpointer::Last::take(broker::Broker& broker) {
  if (id_ == 0) return;
  const std::string mark = storage::Store::mark_payload(id_);
  for (int shard = 0; shard < shard_count; ++shard) {
    ShardId id(static_cast<std::uint8_t>(shard));
    if (broker.owner_of(id) != broker.core().index()) continue;
    auto section = broker.checkpoint_shard(id, mark);
    if (!section) return;
    sections_.push_back(std::move(*section));
  }
}

Status Checkpointer::write_last(Last last) {
  return store_.write_checkpoint(last.id_, std::move(last.sections_));
}

}  // namespace trv::server
