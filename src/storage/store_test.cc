// Proves what the store promises across process lives: replay, checkpoints and their fallback,
// reclaiming, damage that is reported and isolated, a full disk, and the failure of each operation.
#include "storage/store.h"

#include <gtest/gtest.h>

#include "io/faulty.h"
#include "storage/durable_file.h"
#include "storage/segment_files.h"
#include "storage/session_file.h"
#include "storage/storage_test_support.h"

namespace trv::storage {
namespace {

// Appends and syncs, one frame each.
std::vector<SeenEntry> write_entries(Life& life, const std::vector<std::string>& payloads) {
  std::vector<SeenEntry> written;
  for (const std::string& payload : payloads) {
    auto shard = static_cast<std::uint8_t>(payload.size());
    BlobRange where = life.journal->append(9, ShardId(shard), payload);
    written.push_back({9, shard, payload, where});
    int ok = 0;
    life.journal->when(life.journal->tail(), Durability::fsync,
                       [&](Result<Durable> r) { ok += r.ok(); });
    life.journal->flush();
    life.pool.run_all();
    EXPECT_EQ(ok, 1);
  }
  return written;
}

std::vector<std::string> numbered(int count, std::size_t size) {
  std::vector<std::string> payloads;
  for (int i = 0; i < count; ++i) {
    payloads.push_back("payload " + std::to_string(i) + std::string(size, '.'));
  }
  return payloads;
}

struct Recovered {
  RememberingVisitor visitor;
  RecoveryReport report;
};
Recovered recover_only(io::Directory& disk) {
  Recovered recovered;
  auto store = Store::open(disk, small_options());
  TRV_ASSERT(store.ok());
  auto report = (*store)->recover(recovered.visitor);
  EXPECT_TRUE(report.ok());
  if (report.ok()) recovered.report = std::move(*report);
  return recovered;
}

std::vector<std::string> names_with(io::Directory& disk, std::string_view prefix) {
  std::vector<std::string> names = disk.list().value();
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(prefix); });
  return names;
}

// All 256 marks and sections, durable.
Status take_checkpoint(Life& life, const std::string& state) {
  const CheckpointPlan plan = life.store->begin_checkpoint();
  std::vector<CheckpointSection> sections;
  for (int i = 0; i < shard_count; ++i) {
    ShardId shard(static_cast<std::uint8_t>(i));
    BlobRange mark = life.journal->append(Store::mark_kind, shard, plan.mark);
    sections.push_back({shard, state + std::to_string(i), mark});
  }
  life.journal->when(life.journal->tail(), Durability::fsync, [](Result<Durable>) {});
  life.journal->flush();
  life.pool.run_all();
  return life.store->write_checkpoint(plan.id, std::move(sections));
}

TEST(Store, OneProcessAtATime) {
  io::MemoryDirectory disk;
  auto first = Store::open(disk, small_options());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Store::open(disk, small_options()).error().code, Errc::in_use);
  first->reset();
  EXPECT_TRUE(Store::open(disk, small_options()).ok());
}

TEST(Store, RefusesAnUnknownFormat) {
  io::MemoryDirectory disk;
  Store::open(disk, small_options()).value();
  disk.set_contents("FORMAT", "trivium data directory, format 3\n");
  EXPECT_EQ(Store::open(disk, small_options()).error().code, Errc::corrupt);
}

TEST(Store, AnOldDirectoryKeepsItsPlacement) {
  io::MemoryDirectory disk;
  EXPECT_TRUE(Store::open(disk, small_options()).value()->places_by_tag());
  disk.set_contents("FORMAT", "trivium data directory, format 1\n");
  for (int life = 0; life < 2; ++life) {
    EXPECT_FALSE(Store::open(disk, small_options()).value()->places_by_tag());
  }
}

TEST(Store, ReplaysInOrderOverManyLivesAndLanes) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  for (int life_number = 0; life_number < 5; ++life_number) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    ASSERT_EQ(life.visitor.entries.size(), written.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
      EXPECT_EQ(life.visitor.entries[i].payload, written[i].payload);
      EXPECT_EQ(life.visitor.entries[i].kind, 9);
      EXPECT_EQ(life.visitor.entries[i].shard, written[i].shard);
      EXPECT_EQ(life.visitor.entries[i].where, written[i].where);
      EXPECT_EQ(life.journal->read(written[i].where).value().bytes.view(), written[i].payload);
    }
    std::vector<SeenEntry> more = write_entries(life, numbered(40, 700));
    written.insert(written.end(), more.begin(), more.end());
    if (life_number % 2 == 0) {
      EXPECT_TRUE(life.journal->close().ok());
    }
    life.journal.reset();
    if (life_number % 2 == 1) disk.crash({});
  }
}

TEST(Store, ManyIdleStartsLeaveNothingBehind) {
  io::MemoryDirectory disk;
  std::uint64_t size = 0;
  for (int i = 0; i < 20; ++i) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    life.pool.run_all();
    if (i == 5) size = life.store->size_on_disk().value();
    if (i > 5) {
      EXPECT_LE(life.store->size_on_disk().value(), size);
    }
    EXPECT_TRUE(life.report.damaged.empty());
  }
  EXPECT_EQ(names_with(disk, "session-").size(), 1u);
}

JournalOptions large_options() {
  JournalOptions options;
  options.segment_size = 4u << 20;
  return options;
}

// A start must not cost what the files' size is, but what is in them.
TEST(Store, TheEmptyRestOfASegmentIsNotRead) {
  io::MemoryDirectory disk;
  {
    Life life;
    ASSERT_TRUE(life.start(disk, large_options()).ok());
    write_entries(life, numbered(20, 1000));
  }
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.visitor.entries.size(), 20u);
  EXPECT_LT(r.report.bytes, 300'000u);
}

// A round of many frames over three segments between two small ones, then cut everywhere.
TEST(Store, ARoundIsThereAsAWholeOrNotAtAll) {
  io::MemoryDirectory disk;
  std::size_t before = 0;
  std::uint32_t begin = 0;
  {
    Life life;
    JournalOptions options = small_options();
    options.unwritten_size_max = 5000;
    ASSERT_TRUE(life.start(disk, options).ok());
    std::vector<SeenEntry> first = write_entries(life, numbered(3, 100));
    before = first.size();
    begin = align_frame(first.back().where.position + first.back().where.length);
    for (int i = 0; i < 60; ++i) life.journal->append(9, ShardId(1), std::string(700, 'r'));
    life.journal->flush();
    life.journal.reset();
    disk.crash({io::CrashOptions::Unsynced::kept, 0});
  }
  EXPECT_EQ(recover_only(disk).visitor.entries.size(), before + 60);
  std::vector<std::string> names = names_with(disk, "segment-");
  ASSERT_GE(names.size(), 3u);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string good = disk.contents(names[i]);
    std::size_t end = good.find_last_not_of('\0');
    for (std::size_t cut = i == 0 ? begin : segment_header_size; cut <= end; ++cut) {
      if (cut > begin + 200 && cut < end - 200 && cut % 41 != 0) continue;
      disk.set_contents(names[i], good.substr(0, cut) + std::string(good.size() - cut, '\0'));
      Recovered r = recover_only(disk);
      ASSERT_TRUE(r.report.damaged.empty()) << names[i] << " at " << cut;
      ASSERT_EQ(r.visitor.entries.size(), before) << names[i] << " at " << cut;
      ASSERT_LE(r.report.torn_tails.size(), 1u);
    }
    disk.set_contents(names[i], good);
    // What was cut off stays cut off, and life goes on behind it.
    if (i + 1 < names.size()) continue;
    disk.set_contents(names[i], good.substr(0, segment_header_size));
    for (int again = 0; again < 2; ++again) {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      EXPECT_EQ(life.visitor.entries.size(), before + static_cast<std::size_t>(again));
      EXPECT_TRUE(life.report.damaged.empty());
      write_entries(life, {"later"});
    }
  }
}

// A sync between a roll and the first frame of the new segment must not tell of a place there: what
// follows could not be torn without looking damaged.
TEST(Store, ARoundIsTornAlsoWhenItsFirstSegmentWasSynced) {
  io::MemoryDirectory disk;
  BlobRange torn;
  BlobRange last;
  {
    Life life;
    JournalOptions options = small_options();
    options.unwritten_size_max = 3000;
    options.inline_sync_waiters_max = 0;
    ASSERT_TRUE(life.start(disk, options).ok());
    Journal& journal = *life.journal;
    const auto sync = [&] { journal.when(journal.tail(), Durability::fsync, [](auto) {}); };
    for (const char* kept : {"kept", "kept too"}) {
      journal.append(9, ShardId(1), kept);
      sync();
      journal.flush();
    }
    const std::uint64_t first = journal.active_segment();
    while (journal.active_segment() == first) {
      torn = journal.append(9, ShardId(1), std::string(1500, 'r'));
    }
    life.pool.run_all();  // the first sync ends, and the second covers what is written of the round
    journal.flush();
    last = journal.append(9, ShardId(1), "last");
    journal.flush();
    ASSERT_EQ(last.blob, torn.blob);
    life.journal.reset();
    disk.crash({io::CrashOptions::Unsynced::kept, 0});
  }
  const std::string name = segment_name(SegmentId::of(torn.blob));
  std::string bytes = disk.contents(name);
  bytes.replace(torn.position, torn.length, torn.length, '\0');
  disk.set_contents(name, bytes);
  Recovered r = recover_only(disk);
  EXPECT_TRUE(r.report.damaged.empty());
  EXPECT_EQ(r.visitor.payloads(), (std::vector<std::string>{"kept", "kept too"}));
}

TEST(Store, ADurableFileIsThereAfterAPowerCut) {
  io::MemoryDirectory disk;
  for (std::string_view text : {"first", "second, and longer", "3"}) {
    ASSERT_TRUE(write_durably(disk, "file", std::span(&text, 1)).ok());
    disk.crash({});
    Result<std::string> found = read_whole(disk, "file", 100);
    ASSERT_TRUE(found.ok()) << text;
    EXPECT_EQ(*found, text);
  }
}

// A frame whose checksums are right, in its place, but with another entry's number.
TEST(Store, EntryNumbersAreCheckedInsideASegment) {
  for (std::uint64_t number : {0u, 3u, 5u, 1000u}) {
    io::MemoryDirectory disk;
    std::vector<SeenEntry> written;
    {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      written = write_entries(life, numbered(8, 100));
    }
    const std::string name = segment_name({1, 0, 0});
    std::string bytes = disk.contents(name);
    std::uint32_t at = written[4].where.position - frame_header_size - entry_header_size;
    FrameSeal seal(parse_segment_header(bytes)->uuid);
    FrameHeader header = parse_frame(ByteView(bytes).substr(at), seal, at).header;
    ASSERT_EQ(header.entry_first, 4u);
    header.entry_first = number;
    seal_frame(bytes.data() + at, header, seal, at);
    disk.set_contents(name, bytes);
    Recovered r = recover_only(disk);
    ASSERT_FALSE(r.report.damaged.empty()) << number;
    EXPECT_EQ(r.report.damaged[0].position, at);
  }
}

// A file that is used again must not come back under the name that it had: the old name is gone
// durably first. The power goes at each operation of a start that uses the file of an empty lane.
TEST(Store, ARecycledFileNeverComesBackUnderItsOldName) {
  for (std::uint64_t nth = 0;; ++nth) {
    io::MemoryDirectory disk;
    for (bool fill : {true, false}) {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      if (!fill) continue;  // an empty lane, in a file with old bytes behind its header
      write_entries(life, numbered(60, 1000));
      for (int i = 0; i < 2; ++i) ASSERT_TRUE(take_checkpoint(life, "x").ok());
      ASSERT_TRUE(life.store->reclaim({}).ok());
    }
    // So that the empty lane's file is the first to be taken.
    for (const std::string& name : names_with(disk, "next-")) ASSERT_TRUE(disk.remove(name).ok());
    ASSERT_TRUE(disk.sync().ok());
    io::FaultyDirectory faulty(disk);
    faulty.arm({std::nullopt, nth, Errc::io_error, 0, true});
    {
      Life life;
      if (life.start(faulty).ok()) life.pool.run_all();
    }
    bool struck = faulty.struck();
    disk.crash({});
    Life life;
    ASSERT_TRUE(life.start(disk).ok()) << "operation " << nth;
    EXPECT_TRUE(life.report.damaged.empty()) << "operation " << nth;
    if (!struck) break;
    ASSERT_LT(nth, 1000u);
  }
}

// However much of the middle is wiped: a frame far behind it proves that it was synced once.
TEST(Store, AWipedMiddleIsDamageAndNoTail) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk, large_options()).ok());
    written = write_entries(life, numbered(30, 100'000));
  }
  const std::string name = segment_name({1, 0, 0});
  const std::string good = disk.contents(name);
  for (std::size_t last : {3u, 10u, 28u}) {
    std::string bad = good;
    for (std::size_t at = written[2].where.position; at < written[last].where.position + 9; ++at) {
      bad[at] = 0;
    }
    disk.set_contents(name, bad);
    Recovered r = recover_only(disk);
    ASSERT_EQ(r.report.damaged.size(), 1u);
    EXPECT_TRUE(r.report.torn_tails.empty());
    EXPECT_EQ(r.visitor.entries.size(), written.size() - (last - 1));
    EXPECT_EQ(r.visitor.entries.back().payload, written.back().payload);
  }
}

// NB-20: what a crash of a careless file system may leave of a new file is an empty end.
TEST(Store, BlankAndHalfMadeFilesAreEmptyEnds) {
  std::string header = encode_segment_header({make_uuid(), {1, 0, 1}, 16384});
  for (const std::string& content :
       {std::string(), std::string(16384, '\0'), header.substr(0, 20), header.substr(0, 2000),
        header.substr(0, 30) + std::string(16384, '\0'), header, std::string(5000, '\0')}) {
    io::MemoryDirectory disk;
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    std::vector<SeenEntry> written = write_entries(life, numbered(3, 10));
    life.journal.reset();
    disk.open(segment_name({1, 0, 1}), io::OpenMode::create).value();
    disk.set_contents(segment_name({1, 0, 1}), content);
    life.store.reset();
    Recovered r = recover_only(disk);
    EXPECT_EQ(r.visitor.entries.size(), 3u);
    EXPECT_TRUE(r.report.damaged.empty()) << r.report.damaged[0].what;
  }
}

// Takes numbers 0, 1, 2, ... and nothing else.
class CountingVisitor final : public RecoveryVisitor {
 public:
  explicit CountingVisitor(Errc refusal) : refusal_(refusal) {}
  Status on_checkpoint(ShardId, ByteView) override { return {}; }
  Status on_entry(EntryKind, ShardId, ByteView payload, BlobRange) override {
    if (payload != std::to_string(next)) return Error{refusal_, "not the next number"};
    ++next;
    return {};
  }
  int next = 0;

 private:
  Errc refusal_;
};

// What builds on a lost change goes with it, and the rest is served; without a loss it ends the
// start.
TEST(Store, ChangesThatBuildOnLostOnesAreReportedAndLeftOut) {
  for (bool lost : {true, false}) {
    for (Errc refusal : {Errc::corrupt, Errc::not_found, Errc::unsupported}) {
      io::MemoryDirectory disk;
      std::vector<SeenEntry> written;
      {
        Life life;
        ASSERT_TRUE(life.start(disk).ok());
        written = write_entries(life, {"0", "1", lost ? "2" : "9", "3", "4"});
        EXPECT_TRUE(life.journal->close().ok());
      }
      if (lost) {
        const std::string name = segment_name({1, 0, 0});
        std::string bytes = disk.contents(name);
        bytes[written[2].where.position] ^= 1;
        disk.set_contents(name, bytes);
      }
      auto store = Store::open(disk, small_options());
      ASSERT_TRUE(store.ok());
      CountingVisitor visitor(refusal);
      Result<RecoveryReport> report = (*store)->recover(visitor);
      EXPECT_EQ(visitor.next, 2);
      EXPECT_EQ(report.ok(), lost && refusal != Errc::unsupported);
      if (!report.ok()) continue;
      ASSERT_EQ(report->damaged.size(), 2u);
      EXPECT_NE(report->damaged[1].what.find("2 changes of shard 1"), std::string::npos);
      EXPECT_NE(report->damaged[1].what.find("not the next number"), std::string::npos);
    }
  }
}

// What was cut away with the frames and the note behind them leaves no word of them; the size does.
TEST(Store, ALastSegmentThatIsCutShortIsDamage) {
  for (bool whole_frames : {true, false}) {
    io::MemoryDirectory disk;
    std::vector<SeenEntry> written;
    {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      written = write_entries(life, numbered(8, 100));
      EXPECT_TRUE(life.journal->close().ok());
    }
    const std::string name = segment_name({1, 0, 0});
    std::uint32_t cut = written[4].where.position - frame_header_size - entry_header_size;
    if (!whole_frames) cut += 50;
    disk.set_contents(name, disk.contents(name).substr(0, cut));
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    EXPECT_EQ(life.visitor.entries.size(), 4u);
    ASSERT_EQ(life.report.damaged.size(), 1u);
    EXPECT_NE(life.report.damaged[0].what.find("cut short"), std::string::npos);
    // It was said; from now on the lane ends there.
    life.journal.reset();
    life.store.reset();
    EXPECT_TRUE(recover_only(disk).report.damaged.empty());
  }
}

// Then the frames end with the segment before, and that one is whole.
TEST(Store, ALastSegmentThatIsCutShortInItsFirstFrameIsDamage) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    written =
        write_entries(life, numbered(14, 1000));  // and no end: nothing says that all was synced
  }
  const auto first = std::find_if(written.begin(), written.end(), [](const SeenEntry& entry) {
    return SegmentId::of(entry.where.blob).number == 1;
  });
  ASSERT_NE(first, written.end());
  const std::string name = segment_name({1, 0, 1});
  disk.set_contents(name, disk.contents(name).substr(0, first->where.position + 50));
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  EXPECT_EQ(life.visitor.entries.size(), static_cast<std::size_t>(first - written.begin()));
  ASSERT_EQ(life.report.damaged.size(), 1u);
  EXPECT_NE(life.report.damaged[0].what.find("cut short"), std::string::npos);
}

// A lane of three segments; each byte of the first one is changed in turn. Whatever happens is
// either harmless, or reported and confined to one frame.
TEST(Store, AnyFlippedByteIsHarmlessOrReportedAndIsolated) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    written = write_entries(life, numbered(40, 1000));
  }
  const std::string name = segment_name({1, 0, 0});
  const std::string good = disk.contents(name);
  std::size_t harmless = 0;
  std::size_t reported = 0;
  for (std::size_t at = 0; at < good.size(); at += at < 64 || at > 4000 ? 3 : 61) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    disk.set_contents(name, bad);
    Recovered r = recover_only(disk);
    std::vector<std::string> got = r.visitor.payloads();
    ASSERT_GE(got.size() + 1, written.size()) << "byte " << at;
    std::size_t next = 0;
    for (const std::string& payload : got) {
      while (next < written.size() && written[next].payload != payload) ++next;
      ASSERT_LT(next, written.size()) << "byte " << at << ": an entry that was never written";
      ++next;
    }
    if (got.size() == written.size()) {
      ++harmless;
    } else {
      ++reported;
      ASSERT_EQ(r.report.damaged.size(), 1u) << "byte " << at;
      EXPECT_EQ(r.report.damaged[0].segment, (SegmentId{1, 0, 0}.blob()));
      EXPECT_LE(r.report.damaged[0].position, at);
    }
  }
  EXPECT_GT(reported, 3000u);
  EXPECT_GT(harmless, 50u);  // the header's copy and its zeroes
}

TEST(Store, AnyTruncationIsReported) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    written = write_entries(life, numbered(40, 1000));
  }
  const std::string name = segment_name({1, 0, 0});
  const std::string good = disk.contents(name);
  const std::size_t end = written[13].where.blob == SegmentId{1, 0, 0}.blob() ? 12000 : 8000;
  for (std::size_t size = 0; size < end; size += 97) {
    disk.set_contents(name, good.substr(0, size));
    Recovered r = recover_only(disk);
    ASSERT_EQ(r.report.damaged.size(), 1u) << "size " << size;
    EXPECT_LT(r.visitor.entries.size(), written.size());
    EXPECT_EQ(r.visitor.entries.back().payload, written.back().payload);
  }
}

TEST(Store, AMisdirectedWriteIsReported) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    written = write_entries(life, numbered(40, 1000));
  }
  // A frame's bytes over the next one's place, and over the same place in another segment.
  const std::uint32_t frame = written[2].where.position - frame_header_size - entry_header_size;
  const std::uint32_t next = written[3].where.position - frame_header_size - entry_header_size;
  for (std::uint32_t number : {0u, 1u}) {
    const std::string name = segment_name({1, 0, number});
    const std::string good = disk.contents(name);
    std::string bad = good;
    std::string moved = disk.contents(segment_name({1, 0, 0})).substr(frame, next - frame);
    bad.replace(number == 0 ? next : frame, moved.size(), moved);
    disk.set_contents(name, bad);
    Recovered r = recover_only(disk);
    EXPECT_EQ(r.report.damaged.size(), 1u);
    EXPECT_EQ(r.visitor.entries.size(), written.size() - 1);
    disk.set_contents(name, good);
  }
  // A whole segment under another's name.
  disk.set_contents(segment_name({1, 0, 1}), disk.contents(segment_name({1, 0, 0})));
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.report.damaged.size(), 1u);
  EXPECT_LT(r.visitor.entries.size(), written.size());
}

TEST(Store, AMissingSegmentIsReported) {
  for (std::uint32_t number : {0u, 1u}) {
    io::MemoryDirectory disk;
    {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      write_entries(life, numbered(40, 1000));
    }
    ASSERT_TRUE(disk.remove(segment_name({1, 0, number})).ok());
    Recovered r = recover_only(disk);
    EXPECT_EQ(r.report.damaged.size(), 1u);
    EXPECT_LT(r.visitor.entries.size(), 40u);
    EXPECT_GT(r.visitor.entries.size(), 10u);
  }
}

// The session file knows of the lane, though none of its files is left.
TEST(Store, AMissingLaneIsReported) {
  io::MemoryDirectory disk;
  for (int i = 0; i < 2; ++i) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    write_entries(life, numbered(5, 100));
    EXPECT_TRUE(life.journal->close().ok());
  }
  ASSERT_TRUE(disk.remove(segment_name({1, 0, 0})).ok());
  Recovered r = recover_only(disk);
  ASSERT_EQ(r.report.damaged.size(), 1u);
  EXPECT_EQ(r.report.damaged[0].segment, (SegmentId{1, 0, 0}.blob()));
  EXPECT_EQ(r.visitor.entries.size(), 5u);
}

TEST(Store, ATornTailIsTheEndAndStaysIt) {
  io::MemoryDirectory disk;
  std::vector<SeenEntry> written;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    written = write_entries(life, numbered(5, 100));
    // Two frames that are never synced; the first will have a hole.
    BlobRange torn = life.journal->append(9, ShardId(0), "torn");
    life.journal->flush();
    life.journal->append(9, ShardId(0), "behind the hole");
    life.journal->flush();
    life.journal.reset();
    disk.crash({io::CrashOptions::Unsynced::kept, 0});
    std::string bytes = disk.contents(segment_name({1, 0, 0}));
    bytes[torn.position] ^= 1;
    disk.set_contents(segment_name({1, 0, 0}), bytes);
  }
  for (int i = 0; i < 3; ++i) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    EXPECT_EQ(life.report.torn_tails.size(), i == 0 ? 1u : 0u);
    EXPECT_TRUE(life.report.damaged.empty());
    EXPECT_EQ(life.visitor.entries.size(), 5u + static_cast<std::size_t>(i));
    write_entries(life, {"life " + std::to_string(i)});
  }
}

// The last frame of a session was synced, but nothing in its lane says so any more.
TEST(Store, TheSealOfASessionProtectsItsLastFrame) {
  io::MemoryDirectory disk;
  SeenEntry last;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    last = write_entries(life, numbered(5, 100)).back();
  }
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
  }
  std::string bytes = disk.contents(segment_name({1, 0, 0}));
  bytes[last.where.position] ^= 1;
  disk.set_contents(segment_name({1, 0, 0}), bytes);
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.visitor.entries.size(), 4u);
  ASSERT_EQ(r.report.damaged.size(), 1u);
  EXPECT_EQ(r.report.damaged[0].position,
            last.where.position - frame_header_size - entry_header_size);
}

TEST(Store, ANoteProtectsTheLastFrameOfAnIdleJournal) {
  for (bool close : {false, true}) {
    io::MemoryDirectory disk;
    SeenEntry last;
    {
      Life life;
      ASSERT_TRUE(life.start(disk).ok());
      last = write_entries(life, numbered(5, 100)).back();
      if (close) {
        EXPECT_TRUE(life.journal->close().ok());
      } else {
        for (int i = 0; i < 3; ++i) life.journal->tick();
      }
    }
    std::string bytes = disk.contents(segment_name({1, 0, 0}));
    bytes[last.where.position] ^= 1;
    disk.set_contents(segment_name({1, 0, 0}), bytes);
    EXPECT_EQ(recover_only(disk).report.damaged.size(), 1u);
  }
}

TEST(Store, AnUnreadableSessionFileIsReportedAndNotFatal) {
  io::MemoryDirectory disk;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    write_entries(life, numbered(5, 100));
  }
  std::string name = names_with(disk, "session-").at(0);
  for (const std::string& content : {std::string(), std::string(50, '\0'), std::string(9, 'x')}) {
    disk.set_contents(name, content);
    Recovered r = recover_only(disk);
    EXPECT_EQ(r.visitor.entries.size(), 5u);
    EXPECT_EQ(r.report.damaged.size(), 1u);
  }
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  EXPECT_EQ(SegmentId::of(life.journal->active_segment()).session, 2u);
}

TEST(Store, ACheckpointSparesReplayAndReading) {
  io::MemoryDirectory disk;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    write_entries(life, numbered(60, 1000));
    ASSERT_TRUE(take_checkpoint(life, "state ").ok());
    write_entries(life, {"after"});
  }
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.visitor.checkpoints.size(), 256u);
  EXPECT_EQ(r.visitor.checkpoints[3].second, "state 3");
  EXPECT_EQ(r.visitor.payloads(), std::vector<std::string>{"after"});
  EXPECT_LE(r.report.segments, 3u);
  EXPECT_TRUE(r.report.damaged.empty());
}

TEST(Store, ACheckpointNeedsItsMarks) {
  io::MemoryDirectory disk;
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  const CheckpointPlan plan = life.store->begin_checkpoint();
  EXPECT_EQ(life.store->write_checkpoint(plan.id, {{ShardId(0), "x"}}).error().code,
            Errc::invalid_argument);
  BlobRange mark = life.journal->append(Store::mark_kind, ShardId(0), plan.mark);
  EXPECT_EQ(
      life.store->write_checkpoint(plan.id, {{ShardId(0), "x", mark}, {ShardId(0), "y", mark}})
          .error()
          .code,
      Errc::invalid_argument);
  EXPECT_TRUE(names_with(disk, "checkpoint-").empty());
}

TEST(Store, ADamagedCheckpointFallsBackPerShardAndReports) {
  io::MemoryDirectory disk;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    write_entries(life, numbered(20, 500));
    ASSERT_TRUE(take_checkpoint(life, "old ").ok());
    // Both on shard 5.
    write_entries(life, {"12345", "54321"});
    ASSERT_TRUE(take_checkpoint(life, "new ").ok());
    write_entries(life, {"abcde"});
    ASSERT_TRUE(life.store->reclaim({}).ok());
  }
  std::vector<std::string> names = names_with(disk, "checkpoint-");
  ASSERT_EQ(names.size(), 2u);
  const std::string good = disk.contents(names[1]);

  // One section: that shard comes from the older checkpoint and a longer replay.
  std::string bad = good;
  bad[good.find("new 5")] ^= 1;
  disk.set_contents(names[1], bad);
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.report.damaged.size(), 1u);
  EXPECT_EQ(r.visitor.checkpoints.size(), 256u);
  EXPECT_EQ(r.visitor.payloads(), (std::vector<std::string>{"12345", "54321", "abcde"}));

  // The table, or the file's end: all from the older one.
  for (std::string damaged : {std::string(), good.substr(0, 100), "X" + good.substr(1)}) {
    disk.set_contents(names[1], damaged);
    r = recover_only(disk);
    EXPECT_EQ(r.report.damaged.size(), 1u);
    EXPECT_EQ(r.visitor.checkpoints.size(), 256u);
    EXPECT_EQ(r.visitor.checkpoints[0].second, "old 0");
    EXPECT_EQ(r.visitor.payloads(), (std::vector<std::string>{"12345", "54321", "abcde"}));
  }

  // Both: what the journal still has, and a report that the beginning is gone.
  disk.set_contents(names[0], "");
  r = recover_only(disk);
  EXPECT_GE(r.report.damaged.size(), 2u);
  EXPECT_TRUE(r.visitor.checkpoints.empty());
  EXPECT_GE(r.visitor.entries.size(), 3u);
}

// A checkpoint with a page of shard 5, which the states refer to; and to those of other files.
PageRange take_checkpoint_with_page(Life& life, const std::vector<PageRange>& others) {
  const CheckpointPlan plan = life.store->begin_checkpoint();
  std::vector<CheckpointSection> sections;
  PageRange added;
  for (int i = 0; i < shard_count; ++i) {
    ShardId shard(static_cast<std::uint8_t>(i));
    CheckpointSection section{
        shard, "state", life.journal->append(Store::mark_kind, shard, plan.mark), {}};
    if (i == 5) {
      added = section.pages.add(plan.id, "the page of " + std::to_string(plan.id));
      section.pages.refer(added);
      for (const PageRange& other : others) section.pages.refer(other);
    }
    sections.push_back(std::move(section));
  }
  life.journal->when(life.journal->tail(), Durability::fsync, [](Result<Durable>) {});
  life.journal->flush();
  life.pool.run_all();
  EXPECT_TRUE(life.store->write_checkpoint(plan.id, std::move(sections)).ok());
  return added;
}

TEST(Store, PageFilesStayWhileAKeptCheckpointRefersToThem) {
  io::MemoryDirectory disk;
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  const PageRange first = take_checkpoint_with_page(life, {});
  const PageRange second = take_checkpoint_with_page(life, {first});
  EXPECT_EQ(life.store->page_files(), (std::set<std::uint64_t>{first.file, second.file}));
  const PageRange third = take_checkpoint_with_page(life, {});
  // The newest does without the first two; the one before has them still.
  EXPECT_EQ(names_with(disk, "pages-").size(), 3u);
  PageFiles files(disk);
  EXPECT_EQ(*files.read(ShardId(5), first).value(), "the page of 1");
  take_checkpoint_with_page(life, {third});
  EXPECT_EQ(names_with(disk, "pages-"),
            (std::vector<std::string>{page_file_name(3), page_file_name(4)}));
}

TEST(Store, AMissingPageFileIsAReasonToTakeTheCheckpointBefore) {
  io::MemoryDirectory disk;
  PageRange first;
  PageRange second;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    first = take_checkpoint_with_page(life, {});
    write_entries(life, {"12345"});
    second = take_checkpoint_with_page(life, {first});
  }
  Recovered r = recover_only(disk);
  EXPECT_TRUE(r.report.damaged.empty());
  EXPECT_TRUE(r.visitor.payloads().empty());

  ASSERT_TRUE(disk.rename(page_file_name(second.file), "elsewhere").ok());
  r = recover_only(disk);
  ASSERT_EQ(r.report.damaged.size(), 1u);
  EXPECT_NE(r.report.damaged[0].what.find(page_file_name(second.file)), std::string::npos);
  EXPECT_EQ(r.visitor.payloads(), std::vector<std::string>{"12345"});

  // One that both need is no reason.
  ASSERT_TRUE(disk.rename("elsewhere", page_file_name(second.file)).ok());
  disk.set_contents(page_file_name(first.file), "");
  r = recover_only(disk);
  EXPECT_EQ(r.report.damaged.size(), 1u);
  EXPECT_TRUE(r.visitor.payloads().empty());
  EXPECT_EQ(r.visitor.checkpoints.size(), 256u);
}

// No number is used twice, though nothing else came of it.
// Each has one checkpoint, which is too late to say what the next is to empty.
TEST(Store, ShortLivesDoNotPileUpPageFiles) {
  io::MemoryDirectory disk;
  std::map<std::uint64_t, PageRange> pages;  // that live, by file
  for (int i = 0; i < 12; ++i) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    const std::set<std::uint64_t> leavers = life.store->begin_checkpoint().page_leavers;
    std::vector<PageRange> others;
    for (auto it = pages.begin(); it != pages.end();) {
      if (!leavers.contains(it->first)) others.push_back(it->second);
      it = leavers.contains(it->first) ? pages.erase(it) : std::next(it);
    }
    const PageRange added = take_checkpoint_with_page(life, others);
    pages.emplace(added.file, added);
  }
  EXPECT_LE(pages.size(), 2u);  // of equal size, so that any two are one soon
}

TEST(Store, PagesOfACheckpointThatDidNotComeToBeAreNobodys) {
  io::MemoryDirectory disk;
  {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    take_checkpoint_with_page(life, {});
    take_checkpoint_with_page(life, {});
  }
  ASSERT_TRUE(disk.remove("checkpoint-0000000000000002").ok());
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  EXPECT_EQ(take_checkpoint_with_page(life, {}).file, 3u);
  EXPECT_EQ(names_with(disk, "pages-"),
            (std::vector<std::string>{page_file_name(1), page_file_name(3)}));
}

TEST(Store, ReclaimFreesWhatIsDeadAndKeepsWhatLives) {
  io::MemoryDirectory disk;
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  std::vector<SeenEntry> written = write_entries(life, numbered(100, 1000));
  std::uint64_t before = life.store->size_on_disk().value();
  std::uint64_t live = written[20].where.blob;
  ASSERT_TRUE(life.store->reclaim({live}).ok());
  EXPECT_EQ(life.store->size_on_disk().value(), before);  // no checkpoint: everything is needed
  ASSERT_TRUE(take_checkpoint(life, "a").ok());
  ASSERT_TRUE(life.store->reclaim({live}).ok());
  EXPECT_EQ(names_with(disk, "segment-").size(), names_with(disk, "segment-").size());
  ASSERT_TRUE(take_checkpoint(life, "b").ok());
  ASSERT_TRUE(life.store->reclaim({live}).ok());
  EXPECT_LT(life.store->size_on_disk().value(), before / 2 + 100'000);
  EXPECT_EQ(life.journal->read(written[20].where).value().bytes.view(), written[20].payload);
  EXPECT_EQ(names_with(disk, "free-").size(), free_files_max);
  // Free files are used again, and old frames in them mean nothing.
  write_entries(life, numbered(60, 1000));
  EXPECT_LT(names_with(disk, "free-").size(), free_files_max);
  life.journal.reset();
  life.store.reset();
  Recovered r = recover_only(disk);
  EXPECT_EQ(r.visitor.payloads(), numbered(60, 1000));
  EXPECT_TRUE(r.report.damaged.empty());
}

TEST(Store, SpaceStaysBoundedWhenEverythingDies) {
  io::MemoryDirectory disk;
  Life life;
  ASSERT_TRUE(life.start(disk).ok());
  std::uint64_t most = 0;
  for (int i = 0; i < 30; ++i) {
    write_entries(life, numbered(30, 1000));
    ASSERT_TRUE(take_checkpoint(life, "x").ok());
    ASSERT_TRUE(life.store->reclaim({}).ok());
    most = std::max(most, life.store->size_on_disk().value());
  }
  EXPECT_LT(most, 600'000u);
  EXPECT_EQ(names_with(disk, "checkpoint-").size(), 2u);
}

TEST(Store, StartsOnAFullDiskAndStillTakesAcknowledgements) {
  io::MemoryDirectory disk;
  JournalOptions options = small_options();
  options.segment_size = 256 << 10;
  std::size_t count = 0;
  {
    Life life;
    disk.set_capacity(600 << 10);
    ASSERT_TRUE(life.start(disk, options).ok());
    while (life.journal->writable()) {
      write_entries(life, {std::string(30000, 'x')});
      ++count;
    }
    life.journal.reset();
    disk.crash({});
    disk.set_capacity((600 << 10) - disk.space().value().free);
  }
  EXPECT_EQ(disk.space().value().free, 0u);
  Life life;
  Status started = life.start(disk, options);
  ASSERT_TRUE(started.ok()) << started.error().message;
  EXPECT_EQ(life.visitor.entries.size(), count);
  EXPECT_FALSE(life.journal->writable());
  EXPECT_EQ(life.journal->failure().code, Errc::no_space);
  ASSERT_GT(life.journal->room(), 100u);
  write_entries(life, {"an acknowledgement"});
  disk.set_capacity(2 << 20);
  life.journal->tick();
  EXPECT_TRUE(life.journal->writable());
  write_entries(life, {std::string(30000, 'y')});
  life.journal.reset();
  life.store.reset();
  EXPECT_EQ(recover_only(disk).visitor.entries.size(), count + 2);
}

// Ends it cleanly, as a process does. Result: the name of the last segment with anything in it.
std::string end_session(Life& life) {
  Result<Journal::End> end = life.journal->close();
  EXPECT_TRUE(end.ok());
  EXPECT_TRUE(life.store->end_session(std::span(&*end, 1)).ok());
  life.journal.reset();
  life.store.reset();
  return segment_name({1, 0, end->segment});
}

TEST(Store, ACleanEndIsFoundAsItWas) {
  io::MemoryDirectory disk;
  std::size_t count = 0;
  for (int session = 0; session < 3; ++session) {
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    EXPECT_TRUE(life.report.damaged.empty());
    EXPECT_TRUE(life.report.torn_tails.empty());
    EXPECT_EQ(life.visitor.entries.size(), count);
    // In one of them, none.
    count += write_entries(life, numbered(session == 1 ? 0 : 40, 700)).size();
    end_session(life);
    disk.crash({});
  }
  EXPECT_EQ(recover_only(disk).visitor.entries.size(), count);
}

TEST(Store, AfterACleanEndTheLossOfItsLastBytesIsReported) {
  for (bool whole_file : {true, false}) {
    io::MemoryDirectory disk;
    Life life;
    ASSERT_TRUE(life.start(disk).ok());
    write_entries(life, numbered(40, 700));
    const std::string last = end_session(life);
    if (whole_file) {
      ASSERT_TRUE(disk.remove(last).ok());
    } else {
      // The last entries, and the note that says that they were synced.
      const std::string bytes = disk.contents(last);
      const std::size_t used = bytes.find_last_not_of('\0');
      const std::string zeroes(600, '\0');
      const std::string_view part = zeroes;
      auto file = disk.open(last, io::OpenMode::read_write).value();
      ASSERT_TRUE(file->write_at(used - zeroes.size() + 1, std::span(&part, 1)).ok());
    }
    Recovered recovered = recover_only(disk);
    EXPECT_LT(recovered.visitor.entries.size(), 40u);
    EXPECT_FALSE(recovered.report.damaged.empty());
  }
}

// All that fills the disk is dead, but can only be given back behind two checkpoints, which need
// space themselves.
TEST(Store, AFullDiskLetsGoOfWhatIsDead) {
  io::MemoryDirectory disk;
  JournalOptions options = small_options();
  options.segment_size = 256 << 10;
  disk.set_capacity(2 << 20);
  Life life;
  ASSERT_TRUE(life.start(disk, options).ok());
  while (life.journal->writable()) write_entries(life, {std::string(30000, 'x')});
  for (int round = 0; round < 3; ++round) {
    const io::DiskSpace full = disk.space().value();
    disk.set_capacity(full.total - full.free);
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(take_checkpoint(life, "state ").ok());
      ASSERT_TRUE(life.store->reclaim({}).ok());
    }
    life.journal->tick();
    ASSERT_TRUE(life.journal->writable()) << "round " << round;
    std::size_t count = 0;
    for (; life.journal->writable(); ++count) write_entries(life, {std::string(30000, 'x')});
    EXPECT_GT(count, 10u);
  }
}

// Each operation of a start, a checkpoint and a reclaim fails once. Whatever the answer, the next
// life has everything.
TEST(Store, SurvivesTheFailureOfEachOperation) {
  for (Errc code : {Errc::io_error, Errc::no_space}) {
    for (std::uint64_t nth = 0;; ++nth) {
      io::MemoryDirectory disk;
      std::vector<SeenEntry> written;
      {
        Life life;
        ASSERT_TRUE(life.start(disk).ok());
        written = write_entries(life, numbered(30, 1000));
        ASSERT_TRUE(take_checkpoint(life, "old ").ok());
        std::vector<SeenEntry> more = write_entries(life, numbered(5, 1000));
        ASSERT_TRUE(take_checkpoint(life, "old ").ok());
      }
      io::FaultyDirectory faulty(disk);
      faulty.arm({std::nullopt, nth, code, 30, false});
      bool appended = false;
      {
        Life life;
        if (life.start(faulty).ok()) {
          if (life.journal->writable()) {
            life.journal->append(9, ShardId(1), "new");
            life.journal->when(life.journal->tail(), Durability::fsync,
                               [&](Result<Durable> r) { appended = r.ok(); });
            life.journal->flush();
            life.pool.run_all();
          }
          if (take_checkpoint(life, "new ").ok()) (void)life.store->reclaim({}).ok();
          (void)life.journal->close().ok();
        }
      }
      bool struck = faulty.struck();
      disk.crash({});
      Life life;
      ASSERT_TRUE(life.start(disk).ok()) << "operation " << nth;
      EXPECT_EQ(life.visitor.checkpoints.size(), 256u) << "operation " << nth;
      bool in_state = life.visitor.checkpoints[0].second == "new 0";
      EXPECT_EQ(life.visitor.entries.size(), appended && !in_state ? 1u : 0u)
          << "operation " << nth;
      EXPECT_TRUE(life.report.damaged.empty()) << "operation " << nth;
      if (!struck) break;
      ASSERT_LT(nth, 5000u);
    }
  }
}

TEST(SessionFile, RefusesWhatIsNotWhole) {
  SessionRecord record{7, {{5, 2, {3, 4096}, 10}, {6, 0, {0, 99}, 1}}};
  std::string bytes = encode_session(record);
  ASSERT_TRUE(parse_session(bytes));
  EXPECT_EQ(parse_session(bytes)->session, 7u);
  EXPECT_EQ(parse_session(bytes)->seals, record.seals);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(parse_session(bytes.substr(0, i)));
    std::string bad = bytes;
    bad[i] ^= 0x10;
    EXPECT_FALSE(parse_session(bad));
  }
}

}  // namespace
}  // namespace trv::storage
