// Proves the journal's contract on a disk in memory: what is read back, when completions run, what
// happens at a roll, a failure and a full disk.
#include "storage/journal.h"

#include <gtest/gtest.h>

#include "io/faulty.h"
#include "storage/storage_test_support.h"

namespace trv::storage {
namespace {

struct Bench {
  io::MemoryDirectory disk;
  io::FaultyDirectory faulty{disk};
  TestOffload pool;
  std::unique_ptr<Journal> journal;

  explicit Bench(JournalOptions options = small_options()) {
    auto opened = Journal::open(faulty, 1, CoreIndex(0), options, pool.offload());
    TRV_ASSERT(opened.ok());
    journal = std::move(*opened);
  }
  BlobRange append(ByteView payload) { return journal->append(1, ShardId(7), payload); }
  // Counts completions: +1 per success, and the last error.
  Completion count(int& ok, std::optional<Errc>* error = nullptr) {
    return [&ok, error](Result<Durable> result) {
      if (result.ok()) {
        ++ok;
      } else if (error != nullptr) {
        *error = result.error().code;
      }
    };
  }
};

TEST(Journal, ReadsAnEntryBeforeAndAfterItIsWritten) {
  Bench b;
  BlobRange first = b.append("first");
  BlobRange second = b.append("second entry");
  EXPECT_EQ(b.journal->read(first).value().bytes.view(), "first");
  b.journal->flush();
  EXPECT_EQ(b.journal->read(first).value().bytes.view(), "first");
  EXPECT_EQ(b.journal->read(second).value().bytes.view(), "second entry");
}

TEST(Journal, ReadsFromFilesWhatTheCacheHasForgotten) {
  Bench b;
  std::vector<std::pair<BlobRange, std::string>> all;
  for (int i = 0; i < 400; ++i) {
    std::string payload = std::to_string(i) + std::string(1000, 'x');
    all.emplace_back(b.append(payload), payload);
    if (i % 7 == 0) b.journal->flush();
    if (i % 5 == 0) b.pool.run_all();
  }
  b.journal->flush();
  EXPECT_GT(SegmentId::of(b.journal->active_segment()).number, 10u);
  for (const auto& [where, payload] : all) {
    Result<Journal::Blob> read = b.journal->read(where);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->bytes.view(), payload);
  }
  EXPECT_EQ(b.journal->read({99, 4096, 5}).error().code, Errc::not_found);
  EXPECT_EQ(b.journal->read({all[0].first.blob, 16000, 5000}).error().code, Errc::out_of_range);
}

TEST(Journal, TellsWhatWouldHaveToBeWaitedFor) {
  Bench b;
  const std::string payload(1000, 'x');
  const BlobRange where = b.append(payload);
  for (int i = 0; i < 400; ++i) {
    b.append(payload);
    b.journal->tick();
    b.pool.run_all();
  }
  EXPECT_TRUE(b.journal->try_read(b.append("new")).value()->from_memory);
  ASSERT_TRUE(b.journal->try_read(where).value().has_value());
  EXPECT_FALSE(b.journal->try_read(where).value()->from_memory);
  b.disk.forget_what_was_read();
  EXPECT_FALSE(b.journal->try_read(where).value().has_value());
  std::string bytes(where.length, '?');
  ASSERT_TRUE(b.journal->file_of(where).value()->read_at(where.position, bytes).ok());
  EXPECT_EQ(bytes, payload);
  EXPECT_EQ(b.journal->try_read(where).value()->bytes.view(), payload);
  EXPECT_EQ(b.journal->try_read({99, 4096, 5}).error().code, Errc::not_found);
  EXPECT_EQ(b.journal->try_read({where.blob, 16000, 5000}).error().code, Errc::out_of_range);
  EXPECT_EQ(b.journal->file_of({99, 4096, 5}).error().code, Errc::not_found);
}

TEST(Journal, ASliceOutlivesItsPlaceInTheCache) {
  Bench b;
  Slice slice = b.journal->read(b.append("to be kept")).value().bytes;
  for (int i = 0; i < 400; ++i) {
    b.append(std::string(1000, 'y'));
    b.journal->flush();
  }
  EXPECT_EQ(slice.view(), "to be kept");
}

TEST(Journal, ReleasesEachLevelAtItsOwnTime) {
  JournalOptions options = small_options();
  options.inline_sync_waiters_max = 0;
  Bench b(options);
  b.append("x");
  int memory = 0, os = 0, interval = 0, fsync = 0;
  b.journal->when(b.journal->tail(), Durability::memory, b.count(memory));
  b.journal->when(b.journal->tail(), Durability::os, b.count(os));
  b.journal->when(b.journal->tail(), Durability::interval, b.count(interval));
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(fsync));
  EXPECT_EQ(memory + os + interval + fsync, 0);
  b.journal->flush();
  EXPECT_EQ(memory, 1);
  EXPECT_EQ(os, 1);
  EXPECT_EQ(interval, 1);
  EXPECT_EQ(fsync, 0);
  b.pool.run_all();
  EXPECT_EQ(fsync, 1);
}

TEST(Journal, SyncsAtTheTickWhatIsMoreThanOsAndTheRestNowAndThen) {
  JournalOptions options = small_options();
  options.lazy_sync_ticks = 3;
  Bench b(options);
  b.pool.run_all();
  auto syncs_of_tick = [&](Durability level) {
    int ok = 0;
    b.append("x");
    b.journal->when(b.journal->tail(), level, b.count(ok));
    b.journal->flush();
    EXPECT_EQ(ok, 1);
    std::uint64_t before = b.faulty.count(io::Operation::sync);
    b.journal->tick();
    b.pool.run_all();
    return b.faulty.count(io::Operation::sync) - before;
  };
  EXPECT_EQ(syncs_of_tick(Durability::interval), 4u);  // three for zeroes
  EXPECT_EQ(syncs_of_tick(Durability::interval), 1u);
  EXPECT_EQ(syncs_of_tick(Durability::os), 0u);
  EXPECT_EQ(syncs_of_tick(Durability::os), 0u);
  EXPECT_EQ(syncs_of_tick(Durability::os), 1u);
  EXPECT_EQ(syncs_of_tick(Durability::os), 0u);
  EXPECT_EQ(syncs_of_tick(Durability::interval), 1u);
}

TEST(Journal, WritesZeroesAheadWhereSyncsAreSmall) {
  for (std::size_t size : {100u, 200'000u}) {
    JournalOptions options = small_options();
    options.segment_size = 2u << 20;
    Bench b(options);
    b.pool.run_all();
    int ok = 0;
    for (int i = 0; i < 4; ++i) {
      b.append(std::string(size, 'x'));
      b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
      b.journal->flush();
      b.pool.run_all();
    }
    EXPECT_EQ(ok, 4);
    // Nothing is left to sync but the zeroes.
    std::uint64_t before = b.faulty.count(io::Operation::sync);
    b.journal->tick();
    b.pool.run_all();
    EXPECT_EQ(b.faulty.count(io::Operation::sync) - before, size == 100u ? 2u : 0u) << size;
  }
}

// A segment left behind may be freed and taken into use again at any time.
TEST(Journal, NoZeroesReachASegmentThatWasLeft) {
  Bench b;
  b.pool.run_all();
  int ok = 0;
  b.append(std::string(3'200, 'x'));
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
  b.journal->flush();
  b.journal->tick();  // the zeroes wait in the pool
  const std::uint64_t left = b.journal->active_segment();
  b.append(std::string(9'300, 'y'));
  b.journal->flush();
  ASSERT_NE(b.journal->active_segment(), left);
  const std::string name = segment_name(SegmentId::of(left));
  const std::string reused(b.disk.contents(name).size(), 'z');
  b.disk.set_contents(name, reused);
  b.pool.run_all();
  EXPECT_EQ(b.disk.contents(name), reused);
}

TEST(Journal, OneSyncInFlightAndTheNextCoversAllThatGathered) {
  JournalOptions options = small_options();
  options.inline_sync_waiters_max = 0;
  Bench b(options);
  b.pool.run_all();
  int ok = 0;
  std::uint64_t before = b.faulty.count(io::Operation::sync);
  for (int i = 0; i < 10; ++i) {
    b.append("x");
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
    b.journal->flush();
  }
  EXPECT_EQ(ok, 0);
  b.pool.run_all();
  EXPECT_EQ(ok, 10);
  EXPECT_EQ(b.faulty.count(io::Operation::sync) - before, 2u);
}

TEST(Journal, FewWaitersAreSyncedInline) {
  Bench b;
  int ok = 0;
  b.append("x");
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
  b.journal->flush();
  EXPECT_EQ(ok, 1);
}

TEST(Journal, AWaiterForWhatIsDurableAlreadyRunsAtTheNextFlush) {
  Bench b;
  b.append("x");
  int ok = 0;
  Ticket ticket = b.journal->tail();
  b.journal->when(ticket, Durability::fsync, b.count(ok));
  b.journal->flush();
  b.journal->when(ticket, Durability::fsync, b.count(ok));
  EXPECT_EQ(ok, 1);
  b.journal->flush();
  EXPECT_EQ(ok, 2);
}

TEST(Journal, ACompletionMayAppendAndWait) {
  Bench b;
  int ok = 0;
  b.append("x");
  b.journal->when(b.journal->tail(), Durability::fsync, [&](Result<Durable> result) {
    ASSERT_TRUE(result.ok());
    b.append("y");
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
    b.journal->flush();
    EXPECT_EQ(ok, 0);
  });
  b.journal->flush();
  EXPECT_EQ(ok, 1);
}

TEST(Journal, CompletionsOfALevelRunInTicketOrder) {
  Bench b;
  b.append("x");
  Ticket first = b.journal->tail();
  b.append("y");
  std::string order;
  b.journal->when(b.journal->tail(), Durability::os, [&](Result<Durable>) { order += "2"; });
  b.journal->when(first, Durability::os, [&](Result<Durable>) { order += "1"; });
  b.journal->flush();
  EXPECT_EQ(order, "12");
}

TEST(Journal, TickSyncsWithoutWaiters) {
  Bench b;
  b.pool.run_all();
  b.append("x");
  b.journal->flush();
  std::uint64_t before = b.faulty.count(io::Operation::sync);
  b.journal->tick();
  b.pool.run_all();
  EXPECT_GT(b.faulty.count(io::Operation::sync), before);
}

// Another file takes over, with everything at its place; the journal goes on.
TEST(Journal, AFileWhoseSyncFailsIsGivenUp) {
  for (bool offloaded : {false, true}) {
    JournalOptions options = small_options();
    if (offloaded) options.inline_sync_waiters_max = 0;
    Bench b(options);
    b.pool.run_all();
    int ok = 0;
    std::optional<Errc> error;
    const BlobRange before = b.append("before");
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
    const BlobRange where = b.append("x");
    b.faulty.arm({io::Operation::sync, 0, Errc::io_error, 0, false});
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
    b.append("after");
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
    EXPECT_TRUE(b.faulty.struck());
    EXPECT_EQ(ok, 3);
    EXPECT_FALSE(error.has_value());
    EXPECT_TRUE(b.journal->writable());
    EXPECT_EQ(b.faulty.syncs_after_failure(), 0u);
    EXPECT_EQ(b.journal->read(before).value().bytes.view(), "before");
    EXPECT_EQ(b.journal->read(where).value().bytes.view(), "x");
    b.disk.crash({});
    Life life;
    ASSERT_TRUE(life.start(b.disk).ok());
    EXPECT_EQ(life.visitor.payloads(), (std::vector<std::string>{"before", "x", "after"}));
    EXPECT_TRUE(life.report.damaged.empty());
  }
}

// The bytes of a round, over several segments, when a write of its middle fails.
TEST(Journal, FilesThatFailInTheMiddleOfARoundAreGivenUp) {
  for (std::uint64_t nth = 0; nth < 3; ++nth) {
    Bench b;
    b.pool.run_all();
    b.faulty.arm({io::Operation::write, nth, Errc::io_error, 1000, false});
    std::vector<std::string> payloads;
    for (int i = 0; i < 8; ++i) {
      payloads.push_back(std::string(5000, static_cast<char>('a' + i)));
      b.append(payloads.back());
    }
    int ok = 0;
    std::optional<Errc> error;
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
    EXPECT_EQ(ok, 1) << nth;
    EXPECT_TRUE(b.journal->writable());
    EXPECT_EQ(b.faulty.syncs_after_failure(), 0u);
    b.disk.crash({});
    Life life;
    ASSERT_TRUE(life.start(b.disk).ok());
    EXPECT_EQ(life.visitor.payloads(), payloads) << nth;
  }
}

// There is no room for one more file: the next segment's is taken.
TEST(Journal, AFileThatFailsOnAFullDiskIsReplacedByTheSpareOne) {
  Bench b;
  b.pool.run_all();
  b.append("x");
  b.disk.set_capacity(0);
  b.faulty.arm({io::Operation::sync, 0, Errc::io_error, 0, false});
  int ok = 0;
  std::optional<Errc> error;
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
  b.journal->flush();
  b.pool.run_all();
  EXPECT_EQ(ok, 1);
  EXPECT_FALSE(b.journal->writable());
  EXPECT_EQ(b.journal->failure().code, Errc::no_space);
  EXPECT_GT(b.journal->room(), 0u);
  b.disk.set_capacity(1u << 20);
  b.journal->tick();
  b.pool.run_all();
  EXPECT_TRUE(b.journal->writable());
  b.disk.crash({});
  Life life;
  ASSERT_TRUE(life.start(b.disk).ok());
  EXPECT_EQ(life.visitor.payloads(), std::vector<std::string>{"x"});
}

// What would have to be written again is not in memory any more.
TEST(Journal, WithTooMuchUnsyncedAFailedSyncIsFinal) {
  for (bool too_much : {false, true}) {
    JournalOptions options = small_options();
    if (too_much) options.unsynced_size_max = options.cache_size;
    Bench b(options);
    b.pool.run_all();
    BlobRange first;
    for (int i = 0; i < 40; ++i) {
      const BlobRange where = b.append(std::string(2000, static_cast<char>('a' + i % 26)));
      if (i == 0) first = where;
      b.journal->flush();
    }
    b.pool.run_all();  // the next segment's header
    b.faulty.arm({io::Operation::sync, 0, Errc::io_error, 0, false});
    int ok = 0;
    std::optional<Errc> error;
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
    EXPECT_TRUE(b.faulty.struck());
    EXPECT_EQ(ok, too_much ? 0 : 1);
    EXPECT_EQ(error.has_value(), too_much);
    EXPECT_EQ(b.journal->writable(), !too_much);
    EXPECT_EQ(b.journal->read(first).value().bytes.view(), std::string(2000, 'a'));
    EXPECT_EQ(b.faulty.syncs_after_failure(), 0u);
  }
}

TEST(Journal, ASyncThatFailsOnEveryFileIsFinal) {
  Bench b;
  b.pool.run_all();
  BlobRange where = b.append("x");
  b.faulty.arm({io::Operation::sync, 0, Errc::io_error, 0, true});
  int ok = 0;
  std::optional<Errc> error;
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
  b.journal->flush();
  EXPECT_EQ(ok, 0);
  EXPECT_EQ(error, Errc::io_error);
  EXPECT_FALSE(b.journal->writable());
  EXPECT_EQ(b.journal->room(), 0u);
  EXPECT_EQ(b.journal->failure().code, Errc::io_error);
  EXPECT_EQ(b.journal->read(where).value().bytes.view(), "x");
  // Later ones get it too, at every level; nothing is retried.
  for (Durability level :
       {Durability::memory, Durability::os, Durability::interval, Durability::fsync}) {
    error.reset();
    b.append("later");
    b.journal->when(b.journal->tail(), level, b.count(ok, &error));
    b.journal->flush();
    EXPECT_EQ(error, Errc::io_error);
  }
  b.journal->tick();
  b.pool.run_all();
  EXPECT_FALSE(b.journal->close().ok());
  EXPECT_EQ(ok, 0);
  EXPECT_EQ(b.faulty.syncs_after_failure(), 0u);
}

TEST(Journal, AShortWriteOnEveryFileIsFinal) {
  Bench b;
  b.pool.run_all();
  b.append(std::string(5000, 'x'));
  b.faulty.arm({io::Operation::write, 0, Errc::no_space, 1000, true});
  int ok = 0;
  std::optional<Errc> error;
  b.journal->when(b.journal->tail(), Durability::os, b.count(ok, &error));
  b.journal->flush();
  EXPECT_EQ(error, Errc::no_space);
  EXPECT_EQ(ok, 0);
  EXPECT_FALSE(b.journal->writable());
}

TEST(Journal, TheLargestEntryFits) {
  Bench b;
  std::string large(b.journal->entry_size_max(), 'L');
  b.append("small before");
  BlobRange where = b.append(large);
  BlobRange after = b.append("small after");
  b.journal->flush();
  b.pool.run_all();
  EXPECT_EQ(b.journal->read(where).value().bytes.view(), large);
  EXPECT_EQ(b.journal->read(after).value().bytes.view(), "small after");
  JournalOptions defaults;
  EXPECT_GE(defaults.segment_size - 8192, 32u << 20);
}

TEST(Journal, AFullDiskRefusesBeforeItAcceptsAndRecoversBySelf) {
  Bench b;
  b.disk.set_capacity(48 << 10);  // three segments
  b.pool.run_all();
  std::vector<std::pair<BlobRange, std::string>> accepted;
  int ok = 0;
  std::optional<Errc> error;
  while (b.journal->writable()) {
    std::string payload = std::to_string(accepted.size()) + std::string(900, 'x');
    accepted.emplace_back(b.append(payload), payload);
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    b.pool.run_all();
  }
  EXPECT_EQ(b.journal->failure().code, Errc::no_space);
  EXPECT_EQ(static_cast<std::size_t>(ok), accepted.size());
  // The reserve takes acknowledgements and deletes.
  int small = 0;
  while (b.journal->room() >= 100 + Journal::entry_overhead_max) {
    accepted.emplace_back(b.append(std::string(100, 'a')), std::string(100, 'a'));
    b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
    b.journal->flush();
    ++small;
  }
  EXPECT_GT(small, 60);
  EXPECT_EQ(static_cast<std::size_t>(ok), accepted.size());
  EXPECT_FALSE(error);
  b.journal->tick();
  EXPECT_FALSE(b.journal->writable());
  b.disk.set_capacity(1 << 20);
  b.journal->tick();
  EXPECT_TRUE(b.journal->writable());
  accepted.emplace_back(b.append("after"), "after");
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok, &error));
  b.journal->flush();
  b.pool.run_all();
  EXPECT_EQ(static_cast<std::size_t>(ok), accepted.size());
  for (const auto& [where, payload] : accepted) {
    EXPECT_EQ(b.journal->read(where).value().bytes.view(), payload);
  }
}

TEST(Journal, OpensOnAFullDisk) {
  io::MemoryDirectory disk;
  disk.set_capacity(1000);
  TestOffload pool;
  auto opened = Journal::open(disk, 1, CoreIndex(0), small_options(), pool.offload());
  ASSERT_TRUE(opened.ok());
  Journal& journal = **opened;
  EXPECT_FALSE(journal.writable());
  EXPECT_EQ(journal.room(), 0u);
  EXPECT_EQ(journal.active_segment(), 0u);
  journal.flush();
  journal.tick();
  EXPECT_FALSE(journal.writable());
  disk.set_capacity(1 << 20);
  journal.tick();
  pool.run_all();
  ASSERT_TRUE(journal.writable());
  BlobRange where = journal.append(1, ShardId(0), "x");
  int ok = 0;
  journal.when(journal.tail(), Durability::fsync, [&](Result<Durable> r) { ok += r.ok(); });
  journal.flush();
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(journal.read(where).value().bytes.view(), "x");
}

TEST(Journal, CloseSyncsEverythingAndEndsEveryWait) {
  JournalOptions options = small_options();
  options.inline_sync_waiters_max = 0;
  Bench b(options);
  int ok = 0;
  b.append("x");
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
  b.journal->flush();  // its sync waits in the pool
  b.append("y");
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
  EXPECT_TRUE(b.journal->close().ok());
  EXPECT_EQ(ok, 2);
  EXPECT_FALSE(b.journal->writable());
  b.pool.run_all();
  EXPECT_EQ(ok, 2);
}

TEST(Journal, JobsThatComeBackAfterItsEndFindNobody) {
  JournalOptions options = small_options();
  options.inline_sync_waiters_max = 0;
  Bench b(options);
  int ok = 0;
  b.append("x");
  b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
  b.journal->flush();
  b.journal.reset();
  b.pool.run_all();
  EXPECT_EQ(ok, 0);
}

// Every operation that opening and a few rounds need fails once: no crash, no acknowledgement of
// what was not synced, no second sync of a file that failed.
TEST(Journal, SurvivesTheFailureOfEachOperation) {
  const QuietLog quiet;
  for (Errc code : {Errc::io_error, Errc::no_space}) {
    for (bool sticky : {false, true}) {
      for (std::uint64_t nth = 0;; ++nth) {
        io::MemoryDirectory disk;
        io::FaultyDirectory faulty(disk);
        TestOffload pool;
        std::vector<std::string> acknowledged;
        faulty.arm({std::nullopt, nth, code, 700, sticky});
        {
          auto opened = Journal::open(faulty, 1, CoreIndex(0), small_options(), pool.offload());
          if (opened.ok()) {
            Journal& journal = **opened;
            for (int i = 0; i < 40; ++i) {
              std::string payload = std::to_string(i) + std::string(1500, 'x');
              if (journal.room() >= payload.size() + Journal::entry_overhead_max) {
                journal.append(1, ShardId(0), payload);
                journal.when(journal.tail(), Durability::fsync, [&, payload](Result<Durable> r) {
                  if (r.ok()) acknowledged.push_back(payload);
                });
              }
              journal.flush();
              if (i % 3 == 0) pool.run_all();
              if (i % 5 == 0) journal.tick();
            }
          }
        }
        EXPECT_EQ(faulty.syncs_after_failure(), 0u);
        bool struck = faulty.struck();
        disk.crash({});
        Life life;
        ASSERT_TRUE(life.start(disk).ok());
        std::vector<std::string> recovered = life.visitor.payloads();
        ASSERT_GE(recovered.size(), acknowledged.size()) << "operation " << nth;
        recovered.resize(acknowledged.size());
        EXPECT_EQ(recovered, acknowledged);
        EXPECT_TRUE(life.report.damaged.empty());
        if (!struck) break;
        ASSERT_LT(nth, 1000u);
      }
    }
  }
}

// Wherever one write or one sync fails, everything is acknowledged in the end, and is there.
TEST(Journal, NoSingleFailedWriteOrSyncCostsAnything) {
  const QuietLog quiet;
  for (io::Operation operation : {io::Operation::write, io::Operation::sync}) {
    bool struck = true;
    for (std::uint64_t nth = 0; struck; ++nth) {
      ASSERT_LT(nth, 1000u);
      Bench b;
      b.pool.run_all();
      b.faulty.arm({operation, nth, Errc::io_error, 700, false});
      std::vector<std::string> payloads;
      int ok = 0;
      for (int i = 0; i < 60; ++i) {
        payloads.push_back(std::to_string(i) + std::string(1500, 'x'));
        b.append(payloads.back());
        b.journal->when(b.journal->tail(), Durability::fsync, b.count(ok));
        if (i % 2 == 0) b.journal->flush();
        if (i % 3 == 0) b.pool.run_one(static_cast<std::size_t>(i));
        if (i % 4 == 0) b.pool.deliver_one();
        if (i % 5 == 0) b.journal->tick();
      }
      b.journal->flush();
      b.pool.run_all();
      b.journal->flush();
      struck = b.faulty.struck();
      EXPECT_EQ(ok, 60) << "operation " << nth;
      EXPECT_EQ(b.faulty.syncs_after_failure(), 0u) << "operation " << nth;
      b.disk.crash({});
      Life life;
      ASSERT_TRUE(life.start(b.disk).ok());
      EXPECT_EQ(life.visitor.payloads(), payloads) << "operation " << nth;
      EXPECT_TRUE(life.report.damaged.empty());
    }
  }
}

}  // namespace
}  // namespace trv::storage
