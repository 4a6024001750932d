// Random operations, checkpoints and reclaiming, with crashes, against a twin in memory. A crash
// comes between two of them, or in the middle of one: from some operation of the disk on, all fail.
// In some lives one write or sync fails before, and the disk then goes on as if nothing had been.
// After each recovery:
//   - every acknowledged entry is there, in order, with its bytes;
//   - what is there beyond that was appended, in order, without a gap, and ends with a round;
//   - nothing is reported as damaged; what one recovery showed, every later one shows too.
// A failing seed is printed; run it alone with TRV_SEED. More seeds than usual: TRV_SEEDS.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "base/crc32c.h"
#include "io/faulty.h"
#include "storage/storage_test_support.h"

namespace trv::storage {
namespace {

constexpr std::uint64_t usual_seed_count = 2500;

// An entry as the twin remembers it: short, but telling.
std::string digest(ByteView payload) {
  return std::to_string(payload.size()) + "-" + std::to_string(crc32c(0, payload)) + ";";
}

// Each shard's state is the digests of its entries, one after the other.
using States = std::array<std::string, shard_count>;

class StateVisitor final : public RecoveryVisitor {
 public:
  Status on_checkpoint(ShardId shard, ByteView state) override {
    EXPECT_TRUE(states[shard.value].empty());
    states[shard.value] = state;
    return {};
  }
  Status on_entry(EntryKind, ShardId shard, ByteView payload, BlobRange) override {
    states[shard.value] += digest(payload);
    return {};
  }
  States states;
};

struct Twin {
  struct Entry {
    std::uint8_t shard;
    std::string digest;
  };
  std::vector<Entry> entries;     // of all lives
  std::set<std::size_t> rounds;   // where one ends
  std::size_t settled = 0;        // shown by a recovery: must stay for ever
  std::size_t acknowledged = 0;   // at fsync
  std::size_t survives_kill = 0;  // at os
};

struct PendingCheckpoint {
  std::uint64_t id = 0;
  std::vector<CheckpointSection> sections;
  bool synced = false;
};

class CrashRun {
 public:
  explicit CrashRun(std::uint64_t seed) : random_(seed) {}

  void run() {
    int lives = 2 + static_cast<int>(random_() % 5);
    for (int i = 0; i < lives && !::testing::Test::HasFailure(); ++i) live();
  }
  // Of what a crash had left, each checked.
  std::uint64_t recoveries() const { return recoveries_; }

 private:
  void live() {
    JournalOptions options = small_options();
    options.inline_sync_waiters_max = random_() % 2 == 0 ? 0 : 4;
    options.unwritten_size_max = random_() % 2 == 0 ? 3000 : 8u << 20;
    io::FaultyDirectory dying(disk_);
    const bool dies = random_() % 3 == 0;
    if (dies) {
      dying.arm({std::nullopt, random_() % 300, Errc::io_error, random_() % 1000, true});
    }
    TestOffload pool;
    dying_ = &dying;
    hiccup_ = !dies && random_() % 2 == 0;
    run_life(options, pool);
    EXPECT_TRUE(!hiccup_ || dying.syncs_after_failure() == 0);
    journal_.reset();
    pending_.reset();
    store_.reset();
  }

  bool alive() const { return hiccup_ || !dying_->struck(); }

  void run_life(const JournalOptions& options, TestOffload& pool) {
    auto opened = Store::open(*dying_, options);
    if (!alive()) return lose_power();
    ASSERT_TRUE(opened.ok());
    store_ = std::move(*opened);
    StateVisitor visitor;
    Result<RecoveryReport> report = store_->recover(visitor);
    if (!alive()) return lose_power();
    ASSERT_TRUE(report.ok()) << report.error().message;
    check(visitor.states, *report);
    ++recoveries_;
    if (::testing::Test::HasFailure()) return;
    // Now and then right after what was recovered has been shown.
    if (random_() % 4 == 0) return lose_power();
    states_ = visitor.states;
    auto lane =
        store_->open_lane(CoreIndex(static_cast<std::uint16_t>(random_() % 2)), pool.offload());
    if (!alive()) return lose_power();
    ASSERT_TRUE(lane.ok()) << lane.error().message;
    journal_ = std::move(*lane);
    if (hiccup_) {
      const auto operation = random_() % 2 == 0 ? io::Operation::write : io::Operation::sync;
      dying_->arm({operation, random_() % 40, Errc::io_error, random_() % 1000, false});
    }
    int steps = static_cast<int>(random_() % 150);
    for (int i = 0; i < steps && alive() && !::testing::Test::HasFailure(); ++i) step(pool);
    end();
  }

  void lose_power() {
    power_lost_ = true;
    disk_.crash({io::CrashOptions::Unsynced::part, random_()});
  }

  void step(TestOffload& pool) {
    switch (random_() % 24) {
      case 0:
      case 1:
        twin_.rounds.insert(twin_.entries.size());
        return journal_->tick();
      case 2:
      case 3:
      case 4:
        twin_.rounds.insert(twin_.entries.size());
        return journal_->flush();
      case 5:
      case 6:
      case 7:
      case 8:
        return pool.run_one(random_());
      case 9:
      case 10:
      case 11:
      case 12:
        return pool.deliver_one();
      case 13:
        return checkpoint();
      case 14: {
        auto reclaimed = store_->reclaim({});
        ASSERT_TRUE(reclaimed.ok() || !alive()) << reclaimed.error().message;
        return;
      }
      default:
        return append();
    }
  }

  void append() {
    std::string payload = random_payload(random_, random_() % 8 == 0 ? 6000 : 300);
    ShardId shard(static_cast<std::uint8_t>(random_()));
    BlobRange where = journal_->append(1, shard, payload);
    twin_.entries.push_back({shard.value, digest(payload)});
    states_[shard.value] += digest(payload);
    Result<Journal::Blob> read = journal_->read(where);
    if (!alive()) return;
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(read->bytes.view(), payload);
    if (random_() % 2 == 0) return;
    bool fsync = random_() % 3 != 0;
    std::size_t& reached = fsync ? twin_.acknowledged : twin_.survives_kill;
    journal_->when(journal_->tail(), fsync ? Durability::fsync : Durability::os,
                   [&reached, count = twin_.entries.size()](Result<Durable> result) {
                     if (result.ok()) reached = std::max(reached, count);
                   });
  }

  // Begins one, or finishes the one whose marks are synced.
  void checkpoint() {
    if (pending_ && !pending_->synced) return;
    if (pending_) {
      Status written = store_->write_checkpoint(pending_->id, std::move(pending_->sections));
      ASSERT_TRUE(written.ok() || dying_->struck()) << written.error().message;
      pending_.reset();
      return;
    }
    pending_ = std::make_shared<PendingCheckpoint>();
    const CheckpointPlan plan = store_->begin_checkpoint();
    pending_->id = plan.id;
    for (int i = 0; i < shard_count; ++i) {
      ShardId shard(static_cast<std::uint8_t>(i));
      BlobRange mark = journal_->append(Store::mark_kind, shard, plan.mark);
      pending_->sections.push_back({shard, states_[shard.value], mark});
    }
    journal_->when(journal_->tail(), Durability::fsync,
                   [pending = pending_](Result<Durable> result) { pending->synced = result.ok(); });
  }

  void end() {
    using Unsynced = io::CrashOptions::Unsynced;
    power_lost_ = true;
    switch (random_() % 6) {
      case 0:
        twin_.rounds.insert(twin_.entries.size());
        ASSERT_TRUE(journal_->close().ok() || !alive());
        break;
      case 1:
      case 2:
        power_lost_ = false;
        disk_.crash({Unsynced::kept, 0});
        return;
      case 3:
        disk_.crash({Unsynced::lost, 0});
        return;
      default:
        break;
    }
    disk_.crash({Unsynced::part, random_()});
  }

  void check(const States& got, const RecoveryReport& report) {
    for (const Damage& damage : report.damaged) ADD_FAILURE() << "damaged: " << damage.what;
    std::size_t must = std::max(twin_.settled, twin_.acknowledged);
    if (!power_lost_) must = std::max(must, twin_.survives_kill);
    States want;
    std::size_t count = 0;
    for (; count < must; ++count) want[twin_.entries[count].shard] += twin_.entries[count].digest;
    // More may be there, but only the next ones.
    while (want != got && count < twin_.entries.size()) {
      want[twin_.entries[count].shard] += twin_.entries[count].digest;
      ++count;
    }
    ASSERT_TRUE(want == got) << "of " << twin_.entries.size() << " entries, " << must
                             << " must be there";
    // A tail without entries of its own may belong to either round.
    ASSERT_TRUE(count == must || twin_.rounds.contains(count)) << "torn after " << count;
    twin_.entries.resize(count);
    twin_.rounds.erase(twin_.rounds.upper_bound(count), twin_.rounds.end());
    twin_.settled = twin_.acknowledged = twin_.survives_kill = count;
  }

  std::mt19937_64 random_;
  io::MemoryDirectory disk_;
  io::FaultyDirectory* dying_ = nullptr;  // of the present life
  bool hiccup_ = false;                   // what it is armed with passes
  std::unique_ptr<Store> store_;
  std::unique_ptr<Journal> journal_;
  std::shared_ptr<PendingCheckpoint> pending_;  // shared with its completion
  Twin twin_;
  States states_;
  bool power_lost_ = true;
  std::uint64_t recoveries_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t usual) {
  const char* given = std::getenv(name);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : usual;
}

TEST(Crash, NothingAcknowledgedIsLostAndNothingElseAppears) {
  const QuietLog quiet;
  const std::uint64_t first = setting("TRV_SEED", 1);
  const bool one = std::getenv("TRV_SEED") != nullptr;
  const std::uint64_t last = one ? first : setting("TRV_SEEDS", usual_seed_count);
  std::uint64_t recoveries = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    CrashRun run(seed);
    run.run();
    recoveries += run.recoveries();
    ASSERT_FALSE(HasFailure()) << "TRV_SEED=" << seed;
  }
  EXPECT_GT(recoveries, 0u);
  std::printf("%llu crash states recovered\n", static_cast<unsigned long long>(recoveries));
}

}  // namespace
}  // namespace trv::storage
