#include "server/checkpointer.h"

#include <utility>

#include "base/log.h"
#include "broker/queues.h"

namespace trv::server {
namespace {

constexpr std::chrono::milliseconds watch_interval{500};
// Segments that a core may fill before the next checkpoint.
constexpr std::uint64_t segments_between_max = 4;

}  // namespace

struct Checkpointer::Run {
  Checkpointer* owner;  // null after stop()
  std::uint64_t id = 0;
  std::string mark;
  std::size_t cores_missing = 0;
  bool failed = false;
  std::vector<storage::CheckpointSection> sections;
  std::set<std::uint64_t> live;
  // What one core has taken so far; touched by that core alone until it hands it over.
  struct Share {
    std::vector<storage::CheckpointSection> sections;
    std::set<std::uint64_t> live;
    bool durable = false;
  };
  std::vector<Share> shares;
};

Checkpointer::Checkpointer(storage::Store& store, std::vector<broker::Broker*> brokers)
    : store_(store), brokers_(std::move(brokers)), segments_(brokers_.size()) {}

void Checkpointer::start() {
  for (std::size_t i = 0; i < brokers_.size(); ++i) segments_[i] = brokers_[i]->active_segment();
  watch();
}

void Checkpointer::stop() {
  timer_.cancel();
  if (run_) run_->owner = nullptr;
  run_.reset();
}

void Checkpointer::watch() {
  timer_ = brokers_.front()->core().schedule(watch_interval, [this] {
    if (!run_ && due()) begin();
    watch();
  });
}

bool Checkpointer::due() const {
  // Every core grows about alike; the first one's journal stands for all.
  return brokers_.front()->active_segment() >= segments_.front() + segments_between_max;
}

void Checkpointer::begin() {
  run_ = std::make_shared<Run>();
  run_->owner = this;
  run_->id = store_.begin_checkpoint();
  run_->mark = storage::Store::mark_payload(run_->id);
  run_->cores_missing = brokers_.size();
  run_->shares.resize(brokers_.size());
  segments_.front() = brokers_.front()->active_segment();
  for (broker::Broker* broker : brokers_) {
    broker->core().post([run = run_, broker] {
      broker->queues().trim_settled();
      take_shards(run, *broker, 0);
    });
  }
}

void Checkpointer::take_shards(const std::shared_ptr<Run>& run, broker::Broker& broker, int shard) {
  if (!broker.writable()) {
    finish_core(run, broker);
    return;
  }
  ShardId id(static_cast<std::uint8_t>(shard));
  if (broker.owner_of(id) == broker.core().index()) {
    Run::Share& share = run->shares[broker.core().index().value];
    share.sections.push_back(broker.checkpoint_shard(id, run->mark));
  }
  if (shard + 1 == shard_count) {
    broker.when_durable({broker.tail().round, Durability::fsync},
                        [run, &broker](Result<broker::Durable> durable) {
                          Run::Share& share = run->shares[broker.core().index().value];
                          share.durable = durable.ok();
                          broker.collect_blobs(share.live);
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
    for (auto& section : share.sections) run->sections.push_back(std::move(section));
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
        if (run->owner) run->owner->run_.reset();
      });
}

}  // namespace trv::server
