#include "model/batch_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace trv::model {
namespace {

constexpr std::int32_t partition_count = 5;

// Batches as they come, and with anything that a client may have put into them.
class Batches {
 public:
  explicit Batches(unsigned seed) : random_(seed) {}

  BatchEntry next() {
    BatchEntry entry;
    entry.first_sequence = end_ + (one_in(9) ? one_to(1000) : 0);
    entry.base_offset = Offset(one_in(9) ? one_to(1 << 30) : entry.first_sequence.value);
    id_ = one_in(3)
              ? RecordId{id_.ms + any(1 << 20), any(std::numeric_limits<std::uint64_t>::max())}
              : RecordId{id_.ms + 1, 0};
    entry.first_id = id_;
    entry.max_timestamp = one_in(9) ? extreme() : static_cast<std::int64_t>(id_.ms);
    entry.blob = {any(1ull << 50), static_cast<std::uint32_t>(any(~0u)),
                  static_cast<std::uint32_t>(any(~0u))};
    entry.producer_id = ProducerId(one_in(2) ? -1 : one_to(100));
    entry.count = static_cast<std::int32_t>(one_in(2) ? 1 : one_to(500));
    entry.kept = one_in(9) ? 0 : entry.count;
    entry.partition = PartitionIndex(static_cast<std::int32_t>(one_to(3)));
    entry.origin = one_in(2) ? Origin::batch : Origin::fields;
    entry.control = one_in(9);
    entry.transactional = one_in(3);
    entry.aborted = one_in(9);
    end_ = entry.end_sequence();
    return entry;
  }
  bool one_in(std::uint64_t n) { return any(n) == 0; }
  std::uint64_t any(std::uint64_t n) { return random_() % n; }

 private:
  std::int64_t one_to(std::int64_t n) { return 1 + static_cast<std::int64_t>(any(bits(n))); }
  static std::uint64_t bits(std::int64_t n) { return static_cast<std::uint64_t>(n); }
  std::int64_t extreme() {
    return one_in(2) ? std::numeric_limits<std::int64_t>::min()
                     : std::numeric_limits<std::int64_t>::max();
  }

  std::mt19937_64 random_;
  Sequence end_;
  RecordId id_;
};

// Page files as a checkpoint writes them.
class Disk final : public PageStore {
 public:
  // Places pages; and, when it comes to be, lets them leave memory.
  void checkpoint(BatchIndex& index, bool comes_to_be) {
    ++file_;
    index.place_pages();
    if (comes_to_be) index.on_stored(file_);
  }

  std::optional<PagePlace> add(ByteView page) override {
    if (room == 0) return std::nullopt;
    --room;
    added += page.size();
    const auto position = static_cast<std::uint32_t>(pages_[file_].size());
    pages_[file_].push_back(std::string(page));
    return PagePlace{file_, position, static_cast<std::uint32_t>(page.size())};
  }
  void refer(const PagePlace& place) override { referred.insert(place.file); }
  bool leaving(std::uint64_t file) const override { return files_leave && file + 3 == file_; }
  bool joins(std::uint64_t, std::uint64_t) override { return may_join; }
  Result<PageBytes> read(const PagePlace& place) override {
    ++reads;
    if (broken) return Error{Errc::corrupt, "broken"};
    last_read_ = std::make_shared<const std::string>(pages_.at(place.file).at(place.position));
    return last_read_;
  }

  bool may_join = true;
  bool files_leave = true;
  std::uint64_t added = 0;  // bytes
  int room = 1 << 20;       // for pages
  int reads = 0;
  bool broken = false;
  std::set<std::uint64_t> referred;

 private:
  std::uint64_t file_ = 0;
  std::map<std::uint64_t, std::vector<std::string>> pages_;
  PageBytes last_read_;  // which alone is kept
};

BatchIndex restored(const BatchIndex& index, Disk& disk) {
  std::string bytes;
  ByteWriter writer(bytes);
  index.encode(writer);
  BatchIndex anew;
  anew.use(&disk);
  ByteReader reader(bytes);
  EXPECT_TRUE(anew.decode(reader, partition_count));
  EXPECT_TRUE(reader.done());
  return anew;
}

std::vector<Sequence> some_of(Batches& batches, const std::vector<BatchEntry>& plain) {
  std::vector<Sequence> firsts;
  const std::size_t begin = batches.any(plain.size());
  for (std::size_t i = begin; i < plain.size() && i < begin + 300; ++i) {
    if (batches.one_in(3)) firsts.push_back(plain[i].first_sequence);
    if (batches.one_in(30)) firsts.push_back(plain[i].first_sequence + 1);  // perhaps of none
  }
  firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
  return firsts;
}

std::vector<BatchEntry> fill(BatchIndex& index, Batches& batches, int count) {
  std::vector<BatchEntry> plain;
  for (int i = 0; i < count; ++i) {
    plain.push_back(batches.next());
    index.push_back(plain.back());
  }
  return plain;
}

void expect_same(const BatchIndex& index, const std::vector<BatchEntry>& plain) {
  ASSERT_EQ(index.size(), plain.size());
  std::vector<BatchEntry> all;
  index.each([&](const BatchEntry& entry) { all.push_back(entry); });
  ASSERT_EQ(all, plain);
  EXPECT_EQ(index.empty(), plain.empty());
  ASSERT_TRUE(plain.empty() || index.front() == plain.front());
}

void expect_found(const BatchIndex& index, const std::vector<BatchEntry>& plain, Sequence sequence,
                  RecordId id) {
  std::size_t behind = 0;
  while (behind < plain.size() && plain[behind].end_sequence() <= sequence) ++behind;
  ASSERT_EQ(index.first_behind(sequence), behind);
  std::size_t until = 0;
  while (until < plain.size() && plain[until].first_id <= id) ++until;
  ASSERT_EQ(index.count_until(id), until);
}

std::size_t page_count(const BatchIndex& index) {
  std::size_t count = 0;
  for (std::size_t i = 0; const BatchPage* page = index.page_at(i); i += page->count) ++count;
  return count;
}

std::uint64_t placed_size(const BatchIndex& index) {
  std::uint64_t size = 0;
  for (std::size_t i = 0; const BatchPage* page = index.page_at(i); i += page->count) {
    size += page->place.length;
  }
  return size;
}

std::vector<SegmentBytes> listed(const SegmentList& segments) {
  std::vector<SegmentBytes> out;
  segments.each([&out](const SegmentBytes& segment) {
    out.push_back(segment);
    return true;
  });
  EXPECT_EQ(segments.size(), out.size());
  return out;
}

// Against a plain vector, with everything that can be done to it.
TEST(BatchIndex, IsTheSameAsAPlainOne) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Batches batches(seed);
    Disk disk;
    BatchIndex index;
    index.use(&disk);
    std::vector<BatchEntry> plain;
    for (int step = 0; step < 3000; ++step) {
      const bool grows = step < 2200 ? !batches.one_in(4) : batches.one_in(4);
      if (grows || plain.empty()) {
        plain.push_back(batches.next());
        index.push_back(plain.back());
      } else {
        plain.erase(plain.begin());
        index.pop_front();
      }
      if (plain.empty()) continue;
      const std::size_t chosen = batches.any(plain.size());
      ASSERT_EQ(index.at(chosen), plain[chosen]);
      expect_found(index, plain, plain[chosen].first_sequence, plain[chosen].first_id);
      expect_found(index, plain, plain[chosen].end_sequence(), plain[chosen].first_id.next());
      if (batches.one_in(10)) {
        plain[chosen].aborted = !plain[chosen].aborted;
        plain[chosen].blob.position += 1;
        index.replace(chosen, plain[chosen]);
      }
      if (batches.one_in(20)) {
        const std::vector<Sequence> firsts = some_of(batches, plain);
        const auto goes = [](const BatchEntry& entry) { return !entry.transactional; };
        const bool any =
            std::erase_if(plain, [&](const BatchEntry& entry) {
              return std::binary_search(firsts.begin(), firsts.end(), entry.first_sequence) &&
                     goes(entry);
            }) > 0;
        EXPECT_EQ(index.erase(firsts, goes), any);
      }
      if (batches.one_in(40)) disk.checkpoint(index, batches.one_in(2));
      if (batches.one_in(80)) index = restored(index, disk);
    }
    expect_same(index, plain);
    expect_found(index, plain, Sequence(0), RecordId{0, 0});
    expect_found(index, plain, Sequence(std::numeric_limits<std::int64_t>::max()), RecordId::max());
  }
}

TEST(BatchIndex, EachNextOneIsFoundBehindTheOneBefore) {
  Batches batches(1);
  BatchIndex index;
  std::vector<BatchEntry> plain;
  for (int i = 0; i < 500; ++i) {
    plain.push_back(batches.next());
    index.push_back(plain.back());
  }
  for (const BatchEntry& entry : plain) {
    const std::size_t place = index.first_behind(entry.first_sequence);
    ASSERT_EQ(index.at(place), entry);
  }
  for (auto it = plain.rbegin(); it != plain.rend(); ++it) {
    ASSERT_EQ(index.at(index.first_behind(it->first_sequence)), *it);
  }
}

TEST(BatchIndex, PagesLeaveMemoryOnceTheirCheckpointIsThere) {
  Batches batches(2);
  Disk disk;
  BatchIndex index;
  index.use(&disk);
  const std::vector<BatchEntry> plain = fill(index, batches, 4000);
  disk.checkpoint(index, false);
  expect_same(index, plain);
  EXPECT_EQ(disk.reads, 0) << "what is not stored for good is in memory";
  ASSERT_NE(index.page_at(0), nullptr);
  EXPECT_GT(index.page_at(0)->bytes.capacity(), 1000u);
  disk.checkpoint(index, true);
  EXPECT_EQ(index.page_at(0)->bytes.capacity(), std::string().capacity());
  expect_same(index, plain);
  EXPECT_GE(disk.reads, 3);
  EXPECT_LE(disk.reads, 6) << "each page is read once by who goes on from one to the next";
}

TEST(BatchIndex, AStoreWithoutRoomLeavesPagesInMemory) {
  Batches batches(3);
  Disk disk;
  disk.room = 2;
  BatchIndex index;
  index.use(&disk);
  const std::vector<BatchEntry> plain = fill(index, batches, 4000);
  disk.checkpoint(index, true);
  BatchIndex anew = restored(index, disk);
  expect_same(anew, plain);
  ASSERT_NE(anew.page_at(1024), nullptr);
  EXPECT_EQ(anew.page_at(2048), nullptr);
  disk.room = 100;
  disk.checkpoint(anew, true);
  expect_same(anew, plain);
}

TEST(BatchIndex, PagesMoveOutOfAFileThatIsToGo) {
  Batches batches(4);
  Disk disk;
  BatchIndex index;
  index.use(&disk);
  const std::vector<BatchEntry> plain = fill(index, batches, 600);
  for (int i = 0; i < 4; ++i) disk.checkpoint(index, true);  // the last one empties the first
  disk.referred.clear();
  expect_same(restored(index, disk), plain);
  EXPECT_EQ(disk.referred, std::set<std::uint64_t>{4});
}

TEST(BatchIndex, WhatCannotBeReadLiesNowhereAndTheRestIsWhole) {
  Batches batches(5);
  Disk disk;
  BatchIndex index;
  index.use(&disk);
  std::vector<BatchEntry> plain = fill(index, batches, 1032);
  disk.checkpoint(index, true);
  disk.broken = true;
  const BatchPage* page = index.page_at(0);
  ASSERT_NE(page, nullptr);
  Sequence next = page->first_sequence;
  for (std::size_t i = 0; i < page->count; ++i) {
    const BatchEntry entry = index.at(i);
    EXPECT_EQ(entry.first_sequence, next);
    EXPECT_EQ(entry.blob, BlobRange{});
    EXPECT_EQ(index.first_behind(next), i);
    EXPECT_LE(entry.first_id, plain[i].first_id);
    next = entry.end_sequence();
  }
  EXPECT_EQ(next, page->end);
  for (std::size_t i = page->count; i < plain.size(); ++i) EXPECT_EQ(index.at(i), plain[i]);
  // It may be a passing fault: nothing is written over what is there.
  for (int i = 0; i < 3; ++i) disk.checkpoint(index, true);
  disk.broken = false;
  expect_same(restored(index, disk), plain);
}

// A checkpoint every few batches.
TEST(BatchIndex, SmallPagesJoinAndAreSeldomWrittenAnew) {
  constexpr int batches_max = 20'000;
  constexpr int at_once = 20;
  Batches batches(6);
  Disk disk;
  disk.files_leave = false;
  BatchIndex index;
  index.use(&disk);
  std::vector<BatchEntry> plain;
  for (int i = 0; i < batches_max / at_once; ++i) {
    std::vector<BatchEntry> some = fill(index, batches, at_once);
    plain.insert(plain.end(), some.begin(), some.end());
    disk.checkpoint(index, true);
  }
  expect_same(index, plain);
  EXPECT_LE(page_count(index), batches_max / 1024 * 2 + 12);
  EXPECT_LE(disk.added, placed_size(index) * 8);
}

TEST(BatchIndex, PagesStaySmallWhereTheStoreDoesNotJoinThem) {
  Batches batches(7);
  Disk disk;
  disk.files_leave = false;
  disk.may_join = false;
  BatchIndex index;
  index.use(&disk);
  std::vector<BatchEntry> plain;
  for (int i = 0; i < 50; ++i) {
    std::vector<BatchEntry> some = fill(index, batches, 32);
    plain.insert(plain.end(), some.begin(), some.end());
    disk.checkpoint(index, true);
  }
  EXPECT_GE(page_count(index), 40u);
  disk.may_join = true;
  disk.checkpoint(index, true);  // also where nothing has come
  EXPECT_LE(page_count(index), 30u);
  expect_same(restored(index, disk), plain);
}

// Before topic state 4 (docs/formats/entries.md).
TEST(BatchIndex, SegmentsOfPagesAreReadAsTheyWereWrittenBefore) {
  Disk disk;
  std::string bytes;
  ByteWriter writer(bytes);
  writer.varint(1);
  BatchPage page;
  page.count = 3;
  page.end = Sequence(3);
  page.place = {1, 0, 10};
  encode_summary(page, writer);
  bytes.pop_back();  // that there are no segments
  writer.varint(2);
  for (const std::uint64_t number : {700u, 20u, 650u, 30u}) writer.varint(number);
  for (int i = 0; i < 3; ++i) writer.varint(0);
  ByteReader reader(bytes);
  BatchIndex index;
  index.use(&disk);
  ASSERT_TRUE(index.decode(reader, partition_count, false));
  EXPECT_TRUE(reader.done());
  ASSERT_NE(index.page_at(0), nullptr);
  EXPECT_EQ(listed(index.page_at(0)->segments), (std::vector<SegmentBytes>{{700, 20}, {650, 30}}));
}

TEST(BatchIndex, OldPagesArePassedOverUnread) {
  Disk disk;
  BatchIndex index;
  index.use(&disk);
  for (int i = 0; i < 4000; ++i) {
    BatchEntry entry;
    entry.first_sequence = Sequence(i);
    entry.base_offset = Offset(i);
    entry.first_id = {static_cast<std::uint64_t>(i), 0};
    entry.max_timestamp = i;
    entry.count = entry.kept = 1;
    entry.blob = {static_cast<std::uint64_t>(i / 1500), 0, 10};
    index.push_back(entry);
  }
  disk.checkpoint(index, true);
  std::size_t at = 0;
  for (std::size_t next = index.skip_older(at, 2800); next != at;
       next = index.skip_older(at, 2800)) {
    at = next;
  }
  EXPECT_EQ(disk.reads, 0);
  EXPECT_GT(at, 2800u - 1024u);
  EXPECT_LE(at, 2800u);
  const BatchPage* page = index.page_behind(Sequence(0));
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(listed(page->segments), (std::vector<SegmentBytes>{{0, page->count * 10u}}));
  page = index.page_behind(Sequence(1499));
  ASSERT_NE(page, nullptr);
  const auto before = static_cast<std::uint64_t>(1500 - page->first_sequence.value);
  EXPECT_EQ(listed(page->segments),
            (std::vector<SegmentBytes>{{0, before * 10}, {1, (page->count - before) * 10}}));
}

}  // namespace
}  // namespace trv::model
