// Proves the compactor's decisions without a disk: which segments are emptied, which part of a
// partition is cleaned and when, which records of a batch stay, and that a batch written anew is
// the same batch with holes, in every codec.
#include "model/cleaning.h"

#include <gtest/gtest.h>

namespace trv::model {
namespace {

constexpr WallTime now{1'000'000};
constexpr Compression codecs[] = {Compression::none, Compression::gzip, Compression::snappy,
                                  Compression::lz4, Compression::zstd};

TEST(ChooseSegments, TakesTheOldestOfThoseThatAreMostlyDead) {
  EXPECT_TRUE(choose_segments({}, 1000).empty());
  EXPECT_EQ(choose_segments({{7, 100, 10}, {3, 100, 49}, {5, 100, 50}, {4, 100, 0}}, 1000),
            (std::vector<std::uint64_t>{3, 4, 7}));
  // As much as may be copied, but always one.
  EXPECT_EQ(choose_segments({{1, 100, 40}, {2, 100, 40}}, 30), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(choose_segments({{1, 100, 40}, {2, 100, 40}}, 80), (std::vector<std::uint64_t>{1, 2}));
  // What stays full of what cannot move does not keep younger ones from their turn.
  EXPECT_EQ(choose_segments({{1, 100, 30}, {2, 100, 30}, {3, 100, 0}}, 40),
            (std::vector<std::uint64_t>{1, 3}));
}

TEST(EmptyBatch, TakesTheOffsetsAndHasNoRecords) {
  const std::string bytes = empty_batch(Offset(7), Offset(12));
  Result<BatchHeader> header = check_batch(bytes);
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_EQ(header->base_offset, Offset(7));
  EXPECT_EQ(header->offset_count(), 5);
  EXPECT_EQ(header->record_count, 0);
}

struct Written {
  std::string bytes;
  BatchHeader header;
};

Written three_records(Compression codec, std::int16_t attributes = 0) {
  std::string records;
  append_record(records, {0, 0, "a", "1", {}, 0});
  append_record(records, {5, 1, "b", "2", {}, 0});
  append_record(records, {2, 2, "c", std::nullopt, {}, 0});
  Result<std::string> packed = compress(codec, records);
  EXPECT_TRUE(packed.ok());
  BatchBuilder builder;
  for (int i = 0; i < 3; ++i) builder.add(100, "k", "v", {}, 0);
  std::string bytes =
      builder.header(Offset(40), static_cast<std::int16_t>(static_cast<int>(codec) | attributes),
                     {ProducerId(9), 2, 17});
  bytes += *packed;
  store_be(bytes.data() + 8, static_cast<std::int32_t>(bytes.size() - 12));
  store_be(bytes.data() + 35, std::int64_t{105});
  return {bytes, *parse_batch_header(bytes)};
}

TEST(RewriteBatch, KeepsEverythingButTheRecordsInEveryCodec) {
  for (Compression codec : codecs) {
    Written batch = three_records(codec);
    auto rewritten = rewrite_batch(Slice::own(batch.bytes), batch.header,
                                   [](const BatchRecord& r) { return r.offset_delta != 1; });
    ASSERT_TRUE(rewritten.ok()) << static_cast<int>(codec);
    EXPECT_EQ(rewritten->kept, 2);
    Result<BatchHeader> header = check_batch(rewritten->bytes);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->base_offset, Offset(40));
    EXPECT_EQ(header->last_offset_delta, 2);
    EXPECT_EQ(header->record_count, 2);
    EXPECT_EQ(header->compression(), codec);
    EXPECT_EQ(header->producer_id, ProducerId(9));
    EXPECT_EQ(header->base_sequence, 17);
    EXPECT_EQ(header->max_timestamp, 102);
    EXPECT_FALSE(header->has_delete_horizon());
    auto records = batch_records(Slice::own(rewritten->bytes), *header);
    ASSERT_TRUE(records.ok());
    BatchRecordReader reader(records->view(), 2);
    BatchRecord record;
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(record.key, "a");
    ASSERT_TRUE(reader.next(record));
    EXPECT_EQ(record.offset_delta, 2);
    EXPECT_EQ(record.timestamp_delta, 2);
    EXPECT_FALSE(reader.next(record));
    EXPECT_TRUE(reader.ok());
  }
}

TEST(RewriteBatch, SaysWhenNothingIsLeftOrNothingChanged) {
  Written batch = three_records(Compression::none);
  auto all = rewrite_batch(Slice::own(batch.bytes), batch.header, [](auto&) { return true; });
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->kept, 3);
  EXPECT_TRUE(all->bytes.empty());
  auto none = rewrite_batch(Slice::own(batch.bytes), batch.header, [](auto&) { return false; });
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->kept, 0);
  EXPECT_TRUE(none->bytes.empty());
}

TEST(RewriteBatch, ATimeForTombstonesLeavesTimestampsAlone) {
  Written batch = three_records(Compression::zstd);
  auto rewritten = rewrite_batch(
      Slice::own(batch.bytes), batch.header, [](auto&) { return true; }, 7777);
  ASSERT_TRUE(rewritten.ok());
  Result<BatchHeader> header = check_batch(rewritten->bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_TRUE(header->has_delete_horizon());
  EXPECT_EQ(header->base_timestamp, 7777);
  auto records = batch_records(Slice::own(rewritten->bytes), *header);
  BatchRecordReader reader(records->view(), 3);
  BatchRecord record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(header->base_timestamp + record.timestamp_delta, 100);
}

TEST(RewriteBatch, RefusesDamage) {
  Written batch = three_records(Compression::none);
  batch.bytes.resize(batch.bytes.size() - 1);
  auto rewritten = rewrite_batch(Slice::own(batch.bytes), batch.header, [](auto&) { return true; });
  EXPECT_FALSE(rewritten.ok());
}

TEST(KeyMap, KnowsTheNewestOfEachKey) {
  KeyMap keys(1, 2);
  keys.add("a", Offset(3));
  keys.add("a", Offset(9));
  EXPECT_FALSE(keys.full());
  keys.add("b", Offset(4));
  EXPECT_TRUE(keys.full());
  EXPECT_TRUE(keys.superseded("a", Offset(8)));
  EXPECT_FALSE(keys.superseded("a", Offset(9)));
  EXPECT_FALSE(keys.superseded("c", Offset(0)));
}

TEST(Stays, IsTheNewestAndNoTombstoneThatIsDue) {
  KeyMap keys(1, 10);
  keys.add("a", Offset(5));
  EXPECT_FALSE(stays(keys, "a", false, Offset(4), false));
  EXPECT_TRUE(stays(keys, "a", false, Offset(5), true));
  EXPECT_TRUE(stays(keys, "a", true, Offset(5), false));
  EXPECT_FALSE(stays(keys, "a", true, Offset(5), true));
  EXPECT_FALSE(stays(keys, std::nullopt, false, Offset(5), false));
}

// A topic of one partition with batches of one record and a hundred bytes.
class Plan : public ::testing::Test {
 protected:
  Plan() : topic(TopicId(1), "t", {}) { set(Cleaning{true}); }
  void set(Cleaning cleaning) {
    TopicSettings settings;
    settings.cleaning = cleaning;
    topic.set_settings(settings);
  }
  void add(std::int64_t timestamp_ms, int times = 1) {
    for (int i = 0; i < times; ++i) {
      StoredBatch batch;
      batch.header.base_offset = topic.log_end(PartitionIndex(0));
      batch.header.record_count = 1;
      batch.header.max_timestamp = timestamp_ms;
      batch.header.length = 88;
      batch.blob = {1, 0, 100};
      topic.apply_batch(batch);
    }
  }
  std::optional<CleanRange> plan(std::int64_t stable_end = 1'000'000) {
    return plan_cleaning(topic, PartitionIndex(0), Offset(stable_end), now);
  }
  Topic topic;
};

TEST_F(Plan, TheNewestBatchAndWhatIsUnstableStayOut) {
  EXPECT_FALSE(plan());
  add(now.ms);
  EXPECT_FALSE(plan());
  add(now.ms, 3);
  ASSERT_TRUE(plan());
  EXPECT_EQ(plan()->dirty, Offset(0));
  EXPECT_EQ(plan()->end, Offset(3));
  EXPECT_EQ(plan(2)->end, Offset(2));
  EXPECT_FALSE(plan(0));
}

TEST_F(Plan, WaitsForTheDirtyShare) {
  add(now.ms, 11);
  topic.apply_cleaned(PartitionIndex(0), {Offset(10), -1});
  EXPECT_FALSE(plan());
  add(now.ms, 9);  // nine dirty ones, and the newest
  EXPECT_FALSE(plan());
  add(now.ms);
  ASSERT_TRUE(plan());
  EXPECT_EQ(plan()->dirty, Offset(10));
  EXPECT_EQ(plan()->end, Offset(20));
}

TEST_F(Plan, LeavesTheYoungAloneAndDoesNotLeaveTheOld) {
  set({true, false, 500'000, 1000, -1, 0});
  add(now.ms - 2000);
  add(now.ms - 500, 3);
  ASSERT_TRUE(plan());
  EXPECT_EQ(plan()->end, Offset(1));
  set({true, false, 1'000'000, 0, 1000, 0});
  topic.apply_cleaned(PartitionIndex(0), {Offset(1), -1});
  EXPECT_FALSE(plan());  // the share is not reached, and none is that old
  set({true, false, 1'000'000, 0, 400, 0});
  EXPECT_TRUE(plan());
}

TEST_F(Plan, ATombstoneThatIsDueIsWorthAPass) {
  add(now.ms, 3);
  topic.apply_cleaned(PartitionIndex(0), {Offset(2), now.ms + 1});
  EXPECT_FALSE(plan());
  topic.apply_cleaned(PartitionIndex(0), {Offset(2), now.ms});
  EXPECT_TRUE(plan());
}

TEST(FateOf, MarkersOfAbortsStayAndAbortedRecordsGo) {
  Cleaning cleaning{true};
  cleaning.tombstone_ms = 1000;
  BatchEntry entry;
  EXPECT_EQ(fate_of(entry, false, cleaning, now), BatchFate::read);
  entry.aborted = true;
  EXPECT_EQ(fate_of(entry, false, cleaning, now), BatchFate::drop);
  entry.aborted = false;
  entry.control = true;
  entry.max_timestamp = now.ms - 1001;
  EXPECT_EQ(fate_of(entry, true, cleaning, now), BatchFate::drop);
  EXPECT_EQ(fate_of(entry, false, cleaning, now), BatchFate::keep);
  entry.max_timestamp = now.ms - 1000;
  EXPECT_EQ(fate_of(entry, true, cleaning, now), BatchFate::keep);
}

}  // namespace
}  // namespace trv::model
