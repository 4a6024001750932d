#include "storage/ballast.h"

#include <gtest/gtest.h>

#include "storage/segment_files.h"
#include "storage/storage_test_support.h"

namespace trv::storage {
namespace {

constexpr std::uint32_t piece_size = 16u << 10;

void fill_disk(io::MemoryDirectory& disk) {
  const io::DiskSpace space = disk.space().value();
  disk.set_capacity(space.total - space.free);
}

void add_capacity(io::MemoryDirectory& disk, std::uint64_t bytes) {
  disk.set_capacity(disk.space().value().total + bytes);
}

std::size_t pieces_on(io::MemoryDirectory& disk) {
  const std::vector<std::string> names = disk.list().value();
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(),
                    [](const std::string& name) { return name.starts_with(ballast_prefix); }));
}

TEST(Ballast, IsMadeWholeAgain) {
  io::MemoryDirectory disk;
  disk.set_capacity(10 * piece_size);
  ASSERT_TRUE(fill_ballast(disk, 4, piece_size).ok());
  EXPECT_EQ(pieces_on(disk), 4u);
  EXPECT_EQ(disk.space().value().free, 6 * piece_size);
  EXPECT_TRUE(take_ballast(disk, "a"));
  EXPECT_EQ(pieces_on(disk), 3u);
  ASSERT_TRUE(fill_ballast(disk, 4, piece_size).ok());
  EXPECT_EQ(pieces_on(disk), 4u);
  EXPECT_EQ(disk.space().value().free, 5 * piece_size);
}

TEST(Ballast, PiecesOfAnotherSizeAreMadeAnewWhenTheyAreTooSmall) {
  io::MemoryDirectory disk;
  disk.set_capacity(10 * piece_size);
  ASSERT_TRUE(fill_ballast(disk, 2, piece_size / 2).ok());
  ASSERT_TRUE(fill_ballast(disk, 2, piece_size).ok());
  EXPECT_EQ(disk.space().value().free, 8 * piece_size);
  ASSERT_TRUE(fill_ballast(disk, 2, piece_size / 2).ok());
  EXPECT_EQ(disk.space().value().free, 8 * piece_size);
}

TEST(Ballast, ComesOutOfFreeFilesOnAFullDisk) {
  io::MemoryDirectory disk;
  disk.set_capacity(4 * piece_size);
  for (std::uint32_t slot : {0u, 2u}) {
    ASSERT_TRUE(disk.open(free_name(slot), io::OpenMode::create).value()->allocate(piece_size));
  }
  fill_disk(disk);
  ASSERT_TRUE(fill_ballast(disk, 4, piece_size).ok());
  EXPECT_EQ(pieces_on(disk), 2u);
  EXPECT_EQ(disk.list().value().size(), 2u);
}

TEST(Ballast, AFileIsWrittenOutOfAsManyPiecesAsItTakes) {
  io::MemoryDirectory disk;
  ASSERT_TRUE(fill_ballast(disk, 4, piece_size).ok());
  fill_disk(disk);
  const std::string text(2 * piece_size + 1, 'x');
  const std::string_view part = text;
  ASSERT_TRUE(write_durably_on_full_disk(disk, "file", std::span(&part, 1)).ok());
  EXPECT_EQ(disk.contents("file"), text);
  EXPECT_EQ(pieces_on(disk), 1u);
  const std::string more(4 * piece_size, 'y');
  const std::string_view too_much = more;
  EXPECT_EQ(write_durably_on_full_disk(disk, "other", std::span(&too_much, 1)).error().code,
            Errc::no_space);
}

// A start on a disk that has no byte left, again and again, until nothing is left of the ballast.
TEST(Ballast, StartsHaveASegmentForAcknowledgements) {
  io::MemoryDirectory disk;
  JournalOptions options = small_options();
  options.ballast_pieces = 3;
  std::size_t written = 0;
  {
    Life life;
    ASSERT_TRUE(life.start(disk, options).ok());
    life.journal.reset();  // killed, and with it the next segment, as when it had none
    const std::vector<std::string> names = disk.list().value();
    for (const std::string& name : names) {
      const bool removed = !name.starts_with(spare_prefix) || disk.remove(name).ok();
      ASSERT_TRUE(removed);
    }
    fill_disk(disk);
  }
  for (int start = 0; start < 5; ++start) {
    Life life;
    ASSERT_TRUE(life.start(disk, options).ok());
    EXPECT_EQ(life.visitor.entries.size(), written);
    EXPECT_FALSE(life.journal->writable());
    if (life.journal->room() == 0) {
      EXPECT_GE(written, 3u);
      EXPECT_EQ(pieces_on(disk), 0u);
      continue;
    }
    life.journal->append(7, ShardId(1), "an acknowledgement");
    bool durable = false;
    life.journal->when(life.journal->tail(), Durability::fsync,
                       [&](Result<Durable> result) { durable = result.ok(); });
    life.journal->flush();
    life.pool.run_all();
    EXPECT_TRUE(durable);
    ++written;
  }
}

TEST(Ballast, ASegmentThatWouldLeaveTooLittleOfTheDiskIsNotMade) {
  io::MemoryDirectory disk;
  JournalOptions options = small_options();
  options.disk_free_min = 64u << 10;
  disk.set_capacity(options.disk_free_min + 8 * options.segment_size);
  Life life;
  ASSERT_TRUE(life.start(disk, options).ok());
  while (life.journal->writable()) {
    life.journal->append(7, ShardId(1), std::string(4000, 'x'));
    life.journal->flush();
    life.pool.run_all();
  }
  EXPECT_EQ(life.journal->failure().code, Errc::no_space);
  EXPECT_GE(disk.space().value().free, options.disk_free_min);
  life.journal->tick();
  EXPECT_FALSE(life.journal->writable());
  add_capacity(disk, options.segment_size);
  life.journal->tick();
  EXPECT_TRUE(life.journal->writable());
}

}  // namespace
}  // namespace trv::storage
