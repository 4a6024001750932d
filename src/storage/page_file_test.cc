#include "storage/page_file.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/memory.h"

namespace trv::storage {
namespace {

constexpr ShardId shard_a{3};
constexpr ShardId shard_b{200};

struct Written {
  PageRange first;   // of shard a
  PageRange second;  // of shard a
  PageRange other;   // of shard b
};

Written write_two_shards(io::Directory& disk, std::uint64_t id) {
  PageSection a;
  PageSection b;
  Written written;
  written.first = a.add(id, "first page");
  written.second = a.add(id, std::string(3000, 'x'));
  written.other = b.add(id, "of another shard");
  EXPECT_TRUE(write_page_file(disk, id, {{shard_a, a.bytes()}, {shard_b, b.bytes()}}).ok());
  return written;
}

TEST(PageFile, GivesBackWhatWasWritten) {
  io::MemoryDirectory disk;
  const Written written = write_two_shards(disk, 0x1f);
  EXPECT_EQ(disk.list().value(), std::vector<std::string>{"pages-000000000000001f"});
  PageFiles files(disk);
  EXPECT_EQ(*files.read(shard_a, written.first).value(), "first page");
  EXPECT_EQ(*files.read(shard_a, written.second).value(), std::string(3000, 'x'));
  EXPECT_EQ(*files.read(shard_b, written.other).value(), "of another shard");
}

TEST(PageFile, AnotherPlaceIsNotTakenForThePage) {
  io::MemoryDirectory disk;
  const Written written = write_two_shards(disk, 1);
  write_two_shards(disk, 2);
  PageFiles files(disk);
  EXPECT_EQ(files.read(shard_b, written.first).error().code, Errc::corrupt);
  EXPECT_EQ(files.read(ShardId(4), written.first).error().code, Errc::corrupt);
  PageRange beyond = written.second;
  beyond.length += 1;
  EXPECT_EQ(files.read(shard_a, beyond).error().code, Errc::corrupt);
  PageRange empty = written.first;
  empty.length = 3;
  EXPECT_EQ(files.read(shard_a, empty).error().code, Errc::corrupt);
  // The same bytes, written for another file.
  disk.set_contents(page_file_name(1), disk.contents(page_file_name(2)));
  PageFiles swapped(disk);
  EXPECT_EQ(swapped.read(shard_a, written.first).error().code, Errc::corrupt);
}

TEST(PageFile, EveryDamagedByteIsNoticed) {
  io::MemoryDirectory disk;
  const Written written = write_two_shards(disk, 1);
  const std::string good = disk.contents(page_file_name(1));
  const std::vector<std::pair<ShardId, PageRange>> pages = {
      {shard_a, written.first}, {shard_a, written.second}, {shard_b, written.other}};
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    disk.set_contents(page_file_name(1), bad);
    PageFiles files(disk);
    bool noticed = false;
    for (const auto& [shard, page] : pages) noticed = noticed || !files.read(shard, page).ok();
    EXPECT_TRUE(noticed) << "byte " << i;
  }
  for (std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{60}, good.size() - 1}) {
    disk.set_contents(page_file_name(1), good.substr(0, size));
    EXPECT_EQ(PageFiles(disk).open(1).error().code, Errc::corrupt) << size;
  }
  EXPECT_EQ(PageFiles(disk).open(9).error().code, Errc::not_found);
}

TEST(PageFile, WhatIsOpenIsReadAlsoWhenItsNameIsGone) {
  io::MemoryDirectory disk;
  const Written written = write_two_shards(disk, 1);
  PageFiles files(disk);
  ASSERT_TRUE(files.open(1).ok());
  ASSERT_TRUE(disk.remove(page_file_name(1)).ok());
  EXPECT_TRUE(files.read(shard_a, written.first).ok());
  files.close_unless({});
  EXPECT_EQ(files.read(shard_a, written.first).error().code, Errc::not_found);
}

using Sizes = FileSizes;
using Chosen = std::set<std::uint64_t>;

TEST(PageFile, WhatWasReadLastIsKeptAndTheRestGoes) {
  io::MemoryDirectory disk;
  PageSection section;
  std::vector<PageRange> pages;
  for (int i = 0; i < 100; ++i) pages.push_back(section.add(1, std::string(100'000, 'x')));
  ASSERT_TRUE(write_page_file(disk, 1, {{shard_a, section.bytes()}}).ok());
  PageFiles files(disk);
  std::vector<std::weak_ptr<const std::string>> read;
  for (const PageRange& page : pages) read.push_back(files.read(shard_a, page).value());
  EXPECT_TRUE(read.front().expired());
  EXPECT_FALSE(read.back().expired());
  const auto kept = std::count_if(read.begin(), read.end(), [](auto& p) { return !p.expired(); });
  EXPECT_GT(kept, 20);
  EXPECT_LT(kept, 60);
  EXPECT_EQ(files.read(shard_a, pages.back()).value(), read.back().lock());
  files.close_unless({});
  EXPECT_TRUE(read.back().expired());
}

TEST(PageFile, MostlyDeadFilesAreEmptied) {
  EXPECT_EQ(choose_page_files_to_empty({{1, 1000}, {2, 100}}, {{1, 400}, {2, 100}}), Chosen{1});
  EXPECT_EQ(choose_page_files_to_empty({{1, 1000}, {2, 100}}, {{1, 600}, {2, 100}}), Chosen{});
  // Only the older checkpoint needs it: it goes by itself.
  EXPECT_EQ(choose_page_files_to_empty({{1, 1000}, {2, 100}}, {{2, 100}}), Chosen{});
}

TEST(PageFile, OnlySoMuchIsEmptiedAtATime) {
  constexpr std::uint64_t large = 100u << 20;
  const Sizes sizes{{1, large}, {2, large}, {3, large}};
  EXPECT_EQ(choose_page_files_to_empty(sizes, {{1, 1000}, {2, large / 3}, {3, 1000}}),
            (Chosen{1, 3}));
  EXPECT_EQ(choose_page_files_to_empty(sizes, {{1, large / 3}, {2, large}, {3, large}}), Chosen{1})
      << "one goes in any case";
}

// A checkpoint a step, each with pages of one size.
TEST(PageFile, FilesStayFewAndPagesAreSeldomWrittenAnew) {
  Sizes sizes;
  std::uint64_t written = 0;
  std::size_t most = 0;
  constexpr std::uint64_t steps = 2000;
  constexpr std::uint64_t size = 1000;
  for (std::uint64_t id = 1; id <= steps; ++id) {
    std::uint64_t own = size;
    for (std::uint64_t file : choose_page_files_to_empty(sizes, sizes)) {
      own += sizes.at(file);
      sizes.erase(file);
    }
    sizes[id] = own;
    written += own;
    most = std::max(most, sizes.size());
  }
  EXPECT_LE(most, 14u);
  EXPECT_LE(written, steps * size * 14);
}

}  // namespace
}  // namespace trv::storage
