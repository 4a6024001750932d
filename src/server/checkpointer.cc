#include "server/checkpointer.h"

#include <set>
#include <utility>

#include "base/log.h"
#include "broker/compactor.h"
#include "broker/queues.h"
#include "model/cleaning.h"
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
// gain, but when replay would take so many times as long.
constexpr std::uint64_t state_bytes_per_us = 300;
constexpr int state_time_factor = 2;
// How soon emptied segments are freed, and on a full disk others, too; and how long what is deleted
// with few words may wait for it.
constexpr std::chrono::seconds space_interval_min{1};
constexpr std::chrono::seconds space_interval_max{10};
// A checkpoint for the sake of space takes at most this part of the time.
constexpr int space_time_divisor = 100;
// Pages that have left memory, from which on it is worth while to give that back.
constexpr std::uint64_t pages_size_large = 8u << 20;
// What is moved out of segments between two checkpoints, at most.
constexpr std::uint64_t moved_size_max = 256u << 20;

}  // namespace

struct Checkpointer::Run {
  Checkpointer* owner;  // null after stop()
  storage::CheckpointPlan plan;
  std::size_t cores_missing = 0;
  bool failed = false;
  std::vector<storage::CheckpointSection> sections;
  broker::Broker::SegmentBytes live;
  std::set<std::uint64_t> page_files;                 // that the kept checkpoints refer to
  std::vector<storage::Store::SegmentSize> segments;  // that only live batches keep
  std::uint64_t size = 0;
  std::uint64_t pages_size = 0;  // of it
  runtime::SteadyTime begun;
  // What one core has taken so far; touched by that core alone until it hands it over.
  struct Share {
    std::vector<storage::CheckpointSection> sections;
    broker::Broker::SegmentBytes live;
    bool durable = false;
    runtime::Duration pause_max{};  // the longest time that it kept its core from anything else
  };
  std::vector<Share> shares;
};

Checkpointer::Checkpointer(storage::Store& store, std::vector<broker::Broker*> brokers,
                           broker::Broker::Volume replayed)
    : store_(store),
      brokers_(std::move(brokers)),
      replayed_(replayed),
      told_(brokers_.size()),
      covered_(brokers_.size()) {}

void Checkpointer::start() {
  last_begun_ = brokers_.front()->core().now();
  watch(watch_first);
}

void Checkpointer::stop() {
  timer_.cancel();
  if (run_) run_->owner = nullptr;
  run_.reset();
}

void Checkpointer::watch(std::chrono::milliseconds delay) {
  timer_ = brokers_.front()->core().schedule(delay, [this] {
    ask_volumes();
    tell_of_space();
    tell_of_low_space();
    if (!run_ && (due() || due_for_space())) begin();
    watch(watch_interval);
  });
}

// The answers are for the next time.
void Checkpointer::ask_volumes() {
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    broker::Broker* broker = brokers_[i];
    if (i == 0) {
      told_[0] = broker->volume();
      continue;
    }
    broker->core().post([this, broker, i] {
      broker->post(CoreIndex(0), [this, i, volume = broker->volume()] { told_[i] = volume; });
    });
  }
}

// Of all cores together: they are replayed one after the other.
std::chrono::microseconds Checkpointer::replay_time() const {
  std::uint64_t entries = replayed_.entries;
  std::uint64_t bytes = replayed_.bytes;
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    entries += told_[i].entries - covered_[i].entries;
    bytes += told_[i].bytes - covered_[i].bytes;
  }
  return std::chrono::microseconds(entries / entries_per_us + bytes / bytes_per_us);
}

bool Checkpointer::due_for_space() const {
  std::chrono::microseconds state_time(state_size_ / state_bytes_per_us);
  runtime::Duration since = brokers_.front()->core().now() - last_begun_;
  if (since < state_time * space_time_divisor) return false;
  if (!space_wanted_ && !follow_up_ && !changed()) return false;
  const bool soon = space_wanted_ || brokers_.front()->short_of_space();
  return since >= (soon ? space_interval_min : space_interval_max);
}

// The last one's own marks are no change.
bool Checkpointer::changed() const {
  std::uint64_t entries = replayed_.entries;
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    entries += told_[i].entries - covered_[i].entries;
  }
  return entries > shard_count;
}

bool Checkpointer::due() const {
  std::chrono::microseconds state_time(state_size_ / state_bytes_per_us);
  return replay_time() >=
         std::max<std::chrono::microseconds>(replay_time_max, state_time_factor * state_time);
}

void Checkpointer::tell_of_space() {
  if (brokers_.front()->short_of_space() == told_full_) return;
  told_full_ = !told_full_;
  if (told_full_) {
    log::error("the disk is full: what adds to it is refused until there is room again");
  } else {
    log::info("the disk has room again: writes are taken");
  }
}

void Checkpointer::tell_of_low_space() {
  const auto disk = store_.disk_state();
  if (!disk || disk->low == told_low_) return;
  told_low_ = disk->low;
  if (told_low_) {
    log::warn("the disk has {} MiB left of {}: before it is full, new messages are refused",
              disk->space.free >> 20, disk->space.total >> 20);
  }
}

void Checkpointer::begin() {
  run_ = std::make_shared<Run>();
  run_->owner = this;
  run_->plan = store_.begin_checkpoint();
  run_->plan.takes_pages = !complained_;
  run_->cores_missing = brokers_.size();
  run_->shares.resize(brokers_.size());
  run_->begun = brokers_.front()->core().now();
  follow_up_ = changed();
  covered_ = told_;
  last_begun_ = run_->begun;
  space_wanted_ = false;
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
    auto section = broker.checkpoint_shard(id, run->plan);
    share.pause_max = std::max(share.pause_max, runtime::steady_now() - begun);
    if (!section) {
      finish_core(run, broker);
      return;
    }
    share.sections.push_back(std::move(*section));
  }
  if (shard + 1 == shard_count) {
    // Before what is awaited: what has left a segment since may still come back to it.
    auto begun = runtime::steady_now();
    broker.count_segments(share.live);
    share.pause_max = std::max(share.pause_max, runtime::steady_now() - begun);
    broker.when_durable({broker.tail().round, Durability::fsync},
                        [run, &broker](Result<broker::Durable> durable) {
                          run->shares[broker.core().index().value].durable = durable.ok();
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
      run->size += section.state.size() + section.pages.size();
      run->pages_size += section.pages.size();
      run->sections.push_back(std::move(section));
    }
    for (const auto& [blob, bytes] : share.live) run->live[blob] += bytes;
  }
  if (run->failed) {
    on_failed(run->plan.id, "given up, the journal takes no writes");
    run_.reset();
    return;
  }
  write(run);
}

void Checkpointer::on_failed(std::uint64_t id, std::string_view why) {
  follow_up_ = true;
  if (!std::exchange(complained_, true)) log::warn("checkpoint {}: {}", id, why);
}

void Checkpointer::write(const std::shared_ptr<Run>& run) {
  auto status = std::make_shared<Status>();
  brokers_.front()->core().offload(
      [run, status, store = &store_] {
        *status = store->write_checkpoint(run->plan.id, std::move(run->sections));
        if (!*status) return;
        run->page_files = store->page_files();
        std::vector<std::uint64_t> live;
        for (const auto& [blob, bytes] : run->live) live.push_back(blob);
        auto kept = store->reclaim(live);
        if (kept) {
          run->segments = std::move(*kept);
        } else {
          *status = kept.error();
        }
      },
      [run, status] {
        if (!run->owner) return;
        if (*status) {
          run->owner->complained_ = false;
        } else {
          run->owner->on_failed(run->plan.id, status->error().message);
        }
        run->owner->on_written(run);
      });
}

void Checkpointer::on_written(const std::shared_ptr<Run>& run) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  runtime::Duration pause{};
  for (const Run::Share& share : run->shares) pause = std::max(pause, share.pause_max);
  log::debug("checkpoint {}: {} bytes in {} us, no core busy for longer than {} us", run->plan.id,
             run->size, duration_cast<microseconds>(runtime::steady_now() - run->begun).count(),
             duration_cast<microseconds>(pause).count());
  state_size_ = run->size;
  run_.reset();
  for (broker::Broker* broker : brokers_) {
    broker->core().post([run, broker] {
      if (run->page_files.empty()) return;
      broker->on_checkpoint_written(run->plan.id, run->page_files);
    });
  }
  if (run->pages_size >= pages_size_large) {
    brokers_.front()->core().offload([] { runtime::return_freed_memory(); }, [] {});
  }
  empty_segments(run);
}

// What is in them is on any core.
void Checkpointer::empty_segments(const std::shared_ptr<Run>& run) {
  std::vector<model::SegmentUse> uses;
  for (const auto& segment : run->segments) {
    uses.push_back({segment.blob, segment.size, run->live[segment.blob]});
  }
  std::vector<std::uint64_t> chosen = model::choose_segments(std::move(uses), moved_size_max);
  broker::Compactor::Segments segments(chosen.begin(), chosen.end());
  for (broker::Broker* broker : brokers_) {
    broker->core().post([run, broker, segments] {
      broker->forget_segments_but(run->live);
      if (segments.empty()) return;
      const std::uint64_t before = broker->compactor().counters().emptied();
      broker->compactor().empty_segments(segments, [run, broker, before] {
        const bool any = broker->compactor().counters().emptied() > before;
        broker->post(CoreIndex(0), [run, any] {
          if (run->owner && any) run->owner->space_wanted_ = true;
        });
      });
    });
  }
}

// --- a clean end ---------------------------------------------------------------------------------

Checkpointer::Last Checkpointer::begin_last(std::vector<broker::Broker::Volume> journaled) {
  told_ = std::move(journaled);
  Last last;
  if (replay_time() >= replay_time_ignored) last.plan_ = store_.begin_checkpoint();
  return last;
}

void Checkpointer::Last::take(broker::Broker& broker) {
  if (plan_.id == 0) return;
  for (int shard = 0; shard < shard_count; ++shard) {
    ShardId id(static_cast<std::uint8_t>(shard));
    if (broker.owner_of(id) != broker.core().index()) continue;
    auto section = broker.checkpoint_shard(id, plan_);
    if (!section) return;
    sections_.push_back(std::move(*section));
  }
  broker.count_segments(live_);
}

Status Checkpointer::write_last(Last last) {
  Status written = store_.write_checkpoint(last.plan_.id, std::move(last.sections_));
  if (!written) return written;
  std::vector<std::uint64_t> live;
  for (const auto& [blob, bytes] : last.live_) live.push_back(blob);
  auto kept = store_.reclaim(live);
  return kept ? Status() : Status(kept.error());
}

}  // namespace trv::server
