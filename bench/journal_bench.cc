// How fast the journal takes and gives back entries on a real disk.
//   ./dev bench journal        (TRV_BENCH_DIR: where; default the working directory)
// Publish/<level>/<size>/<batch>: batch entries a round, then flush; the round's completion must
// have run before the next begins (one round in flight, as with one busy client). Recovery: replays
// a million entries of 1 KB from the page cache.
// Beside them, what the disk itself does, to compare with in the same run: group_commit of 1 MB
// rounds with bare_write_and_sync of 1 MB, both into files that were written before (in_flight 1:
// the next round begins when the last is durable, as with one client that waits; 2: it gathers
// while the last is synced, as with clients that do not wait for each other); many_queues, a
// message for each of 64 queues, with file_for_each_queue, a write and a sync for each.
#include <benchmark/benchmark.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/assert.h"
#include "io/posix.h"
#include "storage/journal.h"
#include "storage/store.h"

namespace trv::storage {
namespace {

// One offload thread, and the queue by which its work comes back.
class BenchPool {
 public:
  BenchPool() : thread_([this] { work(); }) {}
  ~BenchPool() {
    {
      std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Offload offload() {
    return [this](UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
      std::lock_guard guard(mutex_);
      waiting_.push_back({std::move(blocking), std::move(done)});
      changed_.notify_all();
    };
  }
  // Runs what has come back; waits for something when `block`.
  void deliver(bool block) {
    std::deque<UniqueFunction<void()>> ready;
    {
      std::unique_lock guard(mutex_);
      if (block) changed_.wait(guard, [this] { return !finished_.empty(); });
      ready.swap(finished_);
    }
    for (auto& done : ready) done();
  }

 private:
  struct Job {
    UniqueFunction<void()> blocking;
    UniqueFunction<void()> done;
  };
  void work() {
    std::unique_lock guard(mutex_);
    for (;;) {
      changed_.wait(guard, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      Job job = std::move(waiting_.front());
      waiting_.pop_front();
      guard.unlock();
      job.blocking();
      guard.lock();
      finished_.push_back(std::move(job.done));
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::deque<UniqueFunction<void()>> finished_;
  bool stopping_ = false;
  std::thread thread_;
};

class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* base = std::getenv("TRV_BENCH_DIR");
    path_ = std::string(base != nullptr ? base : ".") + "/journal-bench-scratch";
    std::filesystem::remove_all(path_);
    directory_ = io::open_posix_directory(path_).value();
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  io::Directory& get() { return *directory_; }

 private:
  std::string path_;
  std::unique_ptr<io::Directory> directory_;
};

class CountingVisitor final : public RecoveryVisitor {
 public:
  Status on_checkpoint(ShardId, ByteView) override { return {}; }
  Status on_entry(EntryKind, ShardId, ByteView payload, BlobRange) override {
    bytes += payload.size();
    return {};
  }
  std::uint64_t bytes = 0;
};

void publish(benchmark::State& state, Durability level) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'p');
  const auto batch = static_cast<int>(state.range(1));
  ScratchDirectory scratch;
  BenchPool pool;
  auto store = Store::open(scratch.get(), {}).value();
  CountingVisitor visitor;
  (void)store->recover(visitor).value();
  auto journal = store->open_lane(CoreIndex(0), pool.offload()).value();
  for (auto _ : state) {
    bool released = false;
    for (int i = 0; i < batch; ++i) journal->append(1, ShardId(1), payload);
    journal->when(journal->tail(), level, [&](Result<Durable> r) { released = r.ok(); });
    journal->flush();
    pool.deliver(false);
    while (!released) pool.deliver(true);
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.SetBytesProcessed(state.iterations() * batch * state.range(0));
  if (!journal->close().ok()) state.SkipWithError("close failed");
}
void publish_os(benchmark::State& state) { publish(state, Durability::os); }
void publish_fsync(benchmark::State& state) { publish(state, Durability::fsync); }

BENCHMARK(publish_os)->Args({1024, 1})->Args({1024, 64})->Args({1024, 1024})->UseRealTime();
BENCHMARK(publish_fsync)
    ->Args({1024, 1})
    ->Args({1024, 64})
    ->Args({1024, 1024})
    ->Args({65536, 64})
    ->UseRealTime();

void append_only(benchmark::State& state) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'p');
  ScratchDirectory scratch;
  BenchPool pool;
  auto journal = Journal::open(scratch.get(), 1, CoreIndex(0), {}, pool.offload()).value();
  int in_round = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(journal->append(1, ShardId(1), payload));
    if (++in_round == 64) {
      journal->flush();
      pool.deliver(false);
      in_round = 0;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append_only)->Arg(100)->Arg(1024);

void check(const Status& status) { TRV_ASSERT(status.ok()); }

// A journal whose files are used again and again.
class RecyclingJournal {
 public:
  explicit RecyclingJournal(io::Directory& directory) : store_(Store::open(directory, {}).value()) {
    CountingVisitor visitor;
    (void)store_->recover(visitor).value();
    journal_ = store_->open_lane(CoreIndex(0), pool_.offload()).value();
  }
  // Returns when fewer than `in_flight` rounds wait for their sync.
  void round(ByteView payload, int count, int in_flight = 1) {
    for (int i = 0; i < count; ++i) {
      journal_->append(1, ShardId(static_cast<std::uint8_t>(i)), payload);
    }
    sync(in_flight);
  }
  // Everything before the checkpoint before is dead. As in the broker, it is written and segments
  // are freed beside what goes on.
  void checkpoint() {
    if (writer_.joinable()) writer_.join();
    const CheckpointPlan plan = store_->begin_checkpoint();
    std::vector<CheckpointSection> sections;
    for (int i = 0; i < shard_count; ++i) {
      const ShardId shard(static_cast<std::uint8_t>(i));
      const BlobRange mark = journal_->append(Store::mark_kind, shard, plan.mark);
      sections.push_back({shard, {}, mark, {}});
    }
    sync();
    writer_ = std::thread([this, id = plan.id, sections = std::move(sections)]() mutable {
      check(store_->write_checkpoint(id, std::move(sections)));
      (void)store_->reclaim({}).value();
    });
  }
  void close() {
    if (writer_.joinable()) writer_.join();
    TRV_ASSERT(journal_->close().ok());
  }

 private:
  void sync(int in_flight = 1) {
    ++waiting_;
    journal_->when(journal_->tail(), Durability::fsync, [this](Result<Durable> durable) {
      TRV_ASSERT(durable.ok());
      --waiting_;
    });
    journal_->flush();
    pool_.deliver(false);
    while (waiting_ >= in_flight) pool_.deliver(true);
  }

  BenchPool pool_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Journal> journal_;
  int waiting_ = 0;
  std::thread writer_;
};

constexpr std::size_t round_size = 1u << 20;
// With segments of 64 MiB: those of three checkpoints before are used again.
constexpr int rounds_to_checkpoint = 90;

void group_commit(benchmark::State& state) {
  const auto in_flight = static_cast<int>(state.range(0));
  const std::string payload(64u << 10, 'p');
  ScratchDirectory scratch;
  RecyclingJournal journal(scratch.get());
  int rounds = 0;
  const auto round = [&] {
    journal.round(payload, static_cast<int>(round_size / payload.size()), in_flight);
    if (++rounds % rounds_to_checkpoint == 0) journal.checkpoint();
  };
  while (rounds < 6 * rounds_to_checkpoint) round();
  for (auto _ : state) round();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(round_size));
  journal.close();
}
BENCHMARK(group_commit)->ArgName("in_flight")->Arg(1)->Arg(2)->UseRealTime()->MinTime(2);

void bare_write_and_sync(benchmark::State& state) {
  constexpr std::uint64_t file_size = 64u << 20;
  const std::string payload(round_size, 'p');
  const std::string_view part = payload;
  ScratchDirectory scratch;
  auto file = scratch.get().open("bare", io::OpenMode::create).value();
  check(file->allocate(file_size));
  std::uint64_t at = 0;
  const auto round = [&] {
    check(file->write_at(at, std::span(&part, 1)));
    check(file->sync());
    at = (at + round_size) % file_size;
  };
  do round();
  while (at != 0);
  for (auto _ : state) round();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(round_size));
}
BENCHMARK(bare_write_and_sync)->UseRealTime()->MinTime(2);

constexpr int queue_count = 64;
constexpr std::size_t message_size = 256;

void many_queues(benchmark::State& state) {
  const std::string payload(message_size, 'm');
  ScratchDirectory scratch;
  RecyclingJournal journal(scratch.get());
  for (auto _ : state) journal.round(payload, queue_count);
  state.SetItemsProcessed(state.iterations() * queue_count);
  journal.close();
}
BENCHMARK(many_queues)->UseRealTime()->MinTime(2);

void file_for_each_queue(benchmark::State& state) {
  const std::string payload(message_size, 'm');
  const std::string_view part = payload;
  ScratchDirectory scratch;
  std::array<std::unique_ptr<io::File>, queue_count> files;
  for (int i = 0; i < queue_count; ++i) {
    files[static_cast<std::size_t>(i)] =
        scratch.get().open("queue-" + std::to_string(i), io::OpenMode::create).value();
  }
  std::uint64_t at = 0;
  for (auto _ : state) {
    for (auto& file : files) {
      check(file->write_at(at, std::span(&part, 1)));
      check(file->sync());
    }
    at += message_size;
  }
  state.SetItemsProcessed(state.iterations() * queue_count);
}
BENCHMARK(file_for_each_queue)->UseRealTime()->MinTime(2);

void recovery(benchmark::State& state) {
  constexpr int entry_count = 1'000'000;
  ScratchDirectory scratch;
  BenchPool pool;
  {
    auto store = Store::open(scratch.get(), {}).value();
    CountingVisitor visitor;
    (void)store->recover(visitor).value();
    auto journal = store->open_lane(CoreIndex(0), pool.offload()).value();
    const std::string payload(1024, 'r');
    for (int i = 0; i < entry_count; ++i) {
      journal->append(1, ShardId(1), payload);
      if (i % 64 == 0) journal->flush();
      pool.deliver(false);
    }
    if (!journal->close().ok()) state.SkipWithError("close failed");
  }
  for (auto _ : state) {
    auto store = Store::open(scratch.get(), {}).value();
    CountingVisitor visitor;
    RecoveryReport report = store->recover(visitor).value();
    if (report.entries != entry_count || !report.damaged.empty()) {
      state.SkipWithError("not all entries were recovered");
    }
  }
  state.SetItemsProcessed(state.iterations() * entry_count);
  state.SetBytesProcessed(state.iterations() * entry_count * 1024);
}
BENCHMARK(recovery)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace trv::storage
