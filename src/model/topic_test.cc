// Proves what moving, dropping and thinning batches does to a topic's index: nothing but what it
// says, over all lookups, and the same after a snapshot.
#include "model/topic.h"

#include <gtest/gtest.h>

namespace trv::model {
namespace {

StoredBatch batch_of(const Topic& topic, std::int32_t count, std::int32_t partition = 0) {
  StoredBatch batch;
  batch.partition = PartitionIndex(partition);
  batch.header.base_offset = topic.log_end(batch.partition);
  batch.header.record_count = count;
  batch.header.last_offset_delta = count - 1;
  batch.header.max_timestamp = 50;
  batch.header.length = 88;
  auto ms = static_cast<std::uint64_t>(topic.end().value + 1);
  batch.first_id = {ms, 0};
  batch.last_id = {ms, static_cast<std::uint64_t>(count - 1)};
  batch.blob = {ms, 64, 100};
  return batch;
}

Topic topic_of(std::int32_t partitions) {
  TopicSettings settings;
  settings.partition_count = partitions;
  return {TopicId(1), "t", settings};
}

BatchHeader thinned(const BatchEntry& entry, std::int32_t kept) {
  BatchHeader header;
  header.base_offset = entry.base_offset;
  header.last_offset_delta = entry.count - 1;
  header.record_count = kept;
  header.max_timestamp = 40;
  return header;
}

void expect_same_after_snapshot(const Topic& topic) {
  std::string state;
  topic.encode_state(state);
  Topic copy(topic.id(), topic.name(), topic.settings());
  ASSERT_TRUE(copy.restore_state(state).ok());
  std::string again;
  copy.encode_state(again);
  EXPECT_EQ(state, again);
}

TEST(TopicIds, OnlyGrowThoughTheClockIsSetBack) {
  Topic topic = topic_of(1);
  EXPECT_EQ(*topic.next_id(WallTime{7}), (RecordId{7, 0}));
  StoredBatch batch = batch_of(topic, 3);
  batch.first_id = {1000, 0};
  batch.last_id = {1000, 2};
  topic.apply_batch(batch);
  EXPECT_EQ(*topic.next_id(WallTime{1000}), (RecordId{1000, 3}));
  EXPECT_EQ(*topic.next_id(WallTime{999}), (RecordId{1000, 3}));
  EXPECT_EQ(*topic.next_id(WallTime{-5}), (RecordId{1000, 3}));
  EXPECT_EQ(*topic.next_id(WallTime{1001}), (RecordId{1001, 0}));
}

TEST(TopicMoved, OnlyThePlaceChanges) {
  Topic topic = topic_of(1);
  for (int i = 0; i < 3; ++i) topic.apply_batch(batch_of(topic, 10));
  topic.apply_erase(Sequence(12), {11, 2});
  const BatchEntry before = *topic.batch_at(Sequence(10));
  ASSERT_TRUE(topic.apply_moved(Sequence(10), thinned(before, 10), {99, 16, 100}));
  EXPECT_EQ(topic.batch_at(Sequence(10))->blob, (BlobRange{99, 16, 100}));
  EXPECT_EQ(topic.live_count(), 29u);
  EXPECT_TRUE(topic.erased(Sequence(12)));
  EXPECT_EQ(topic.log_bytes(PartitionIndex(0)), 300u);
  expect_same_after_snapshot(topic);
}

TEST(TopicMoved, RecordsThatAreGoneDoNotCount) {
  Topic topic = topic_of(1);
  for (int i = 0; i < 3; ++i) topic.apply_batch(batch_of(topic, 10));
  topic.apply_erase(Sequence(12), {11, 2});
  ASSERT_TRUE(
      topic.apply_moved(Sequence(10), thinned(*topic.batch_at(Sequence(10)), 4), {99, 16, 60}));
  EXPECT_EQ(topic.live_count(), 24u);
  EXPECT_FALSE(topic.erased(Sequence(12)));
  EXPECT_EQ(topic.log_bytes(PartitionIndex(0)), 260u);
  EXPECT_EQ(topic.batch_at(Sequence(15))->end_sequence(), Sequence(20));
  EXPECT_EQ(topic.batch_since(PartitionIndex(0), 45)->first_sequence, Sequence(0));
  expect_same_after_snapshot(topic);
  topic.apply_trim(Sequence(15));
  topic.apply_trim(Sequence(30));
  EXPECT_EQ(topic.live_count(), 0u);
}

TEST(TopicMoved, NoTrimCutsWhereItIsNotKnownWhatIsLeft) {
  Topic topic = topic_of(1);
  for (int i = 0; i < 2; ++i) topic.apply_batch(batch_of(topic, 10));
  ASSERT_TRUE(
      topic.apply_moved(Sequence(0), thinned(*topic.batch_at(Sequence(0)), 5), {99, 16, 60}));
  EXPECT_EQ(topic.live_count(), 15u);
  EXPECT_EQ(topic.trim_point(13, false), Sequence(0));
  EXPECT_EQ(topic.trim_point(10, false), Sequence(10));
  EXPECT_EQ(topic.trim_point(8, false), Sequence(12));
}

TEST(TopicMoved, WhatIsNotTheSameBatchIsRefused) {
  Topic topic = topic_of(1);
  topic.apply_batch(batch_of(topic, 10));
  const BatchEntry entry = *topic.batch_at(Sequence(0));
  BatchHeader other = thinned(entry, 10);
  other.base_offset = Offset(1);
  EXPECT_FALSE(topic.apply_moved(Sequence(0), other, {9, 0, 1}));
  EXPECT_FALSE(topic.apply_moved(Sequence(0), thinned(entry, 11), {9, 0, 1}));
  EXPECT_FALSE(topic.apply_moved(Sequence(0), thinned(entry, 0), {9, 0, 1}));
  EXPECT_FALSE(topic.apply_moved(Sequence(1), thinned(entry, 10), {9, 0, 1}));
  EXPECT_FALSE(topic.apply_moved(Sequence(10), thinned(entry, 10), {9, 0, 1}));
  EXPECT_EQ(topic.batch_at(Sequence(0))->blob, entry.blob);
}

TEST(TopicDropped, LeavesAGapThatReadersPassOver) {
  for (std::int32_t partitions : {1, 2}) {
    Topic topic = topic_of(partitions);
    for (int i = 0; i < 6; ++i) topic.apply_batch(batch_of(topic, 10, i % partitions));
    topic.apply_erase(Sequence(25), {21, 5});
    const Sequence gone[] = {Sequence(10), Sequence(20), Sequence(21), Sequence(50), Sequence(70)};
    topic.apply_drop(gone);
    EXPECT_EQ(topic.batch_count(), 4u);  // the last one of a partition stays
    EXPECT_EQ(topic.live_count(), 40u);
    EXPECT_FALSE(topic.erased(Sequence(25)));
    EXPECT_TRUE(topic.has_holes());
    EXPECT_EQ(topic.batch_at(Sequence(12))->first_sequence, Sequence(30));
    EXPECT_EQ(topic.end(), Sequence(60));
    PartitionIndex last(partitions - 1);
    const FoundBatch first = topic.batch_at(last, Offset(0));
    ASSERT_TRUE(first);
    if (partitions == 2) {
      EXPECT_EQ(first->first_sequence, Sequence(30));
      EXPECT_EQ(topic.next_in_partition(*first)->first_sequence, Sequence(50));
    }
    topic.apply_erase(Sequence(25), {21, 5});  // nothing is there any more
    EXPECT_EQ(topic.live_count(), 40u);
    EXPECT_EQ(topic.trim_point(35, false), Sequence(5));
    EXPECT_EQ(topic.trim_point(28, false), Sequence(32));
    expect_same_after_snapshot(topic);
    topic.apply_trim(Sequence(15));
    EXPECT_EQ(topic.live_count(), 30u);
    topic.apply_trim(Sequence(60));
    EXPECT_EQ(topic.live_count(), 0u);
  }
}

TEST(TopicDropped, NothingThatIsNotThere) {
  Topic topic = topic_of(1);
  topic.apply_drop({});
  const Sequence gone[] = {Sequence(0), Sequence(5)};
  topic.apply_drop(gone);
  EXPECT_EQ(topic.batch_count(), 0u);
}

StoredBatch of_producer(const Topic& topic, std::int64_t producer, std::int32_t partition) {
  StoredBatch batch = batch_of(topic, 2, partition);
  batch.header.producer_id = ProducerId(producer);
  batch.header.attributes = batch_attributes::transactional;
  return batch;
}

StoredBatch commit_of(const Topic& topic, std::int64_t producer, std::int32_t partition) {
  StoredBatch batch = of_producer(topic, producer, partition);
  batch.header.attributes = batch_attributes::transactional | batch_attributes::control;
  batch.header.record_count = 1;
  batch.header.last_offset_delta = 0;
  batch.marker_commits = true;
  return batch;
}

// What is lost may be that it was aborted.
TEST(TopicGap, NothingBeforeItIsCommittedByAMarkerBehindIt) {
  Topic topic = topic_of(2);
  topic.apply_batch(of_producer(topic, 7, 0));
  topic.apply_batch(of_producer(topic, 8, 0));
  topic.apply_batch(of_producer(topic, 7, 1));
  topic.apply_gap(PartitionIndex(0), Offset(10), Sequence(20));
  topic.apply_batch(of_producer(topic, 7, 0));
  topic.apply_batch(commit_of(topic, 7, 0));
  topic.apply_batch(commit_of(topic, 7, 1));
  topic.apply_batch(commit_of(topic, 8, 0));
  EXPECT_TRUE(topic.batch_at(Sequence(0))->aborted);
  EXPECT_TRUE(topic.batch_at(Sequence(2))->aborted);
  EXPECT_FALSE(topic.batch_at(Sequence(4))->aborted) << "no gap in its partition";
  EXPECT_FALSE(topic.batch_at(Sequence(20))->aborted);
  EXPECT_EQ(topic.live_count(), 4u);
  EXPECT_EQ(topic.stable_end(), topic.end());
}

TEST(TopicSettingsFormat, CleaningIsKept) {
  TopicSettings settings;
  settings.cleaning = {true, true, 1234, 5, 6, 7};
  std::string bytes;
  encode(settings, bytes);
  auto decoded = decode_topic_settings(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->cleaning.on);
  EXPECT_TRUE(decoded->cleaning.retention_off);
  EXPECT_EQ(decoded->cleaning.dirty_millionths, 1234);
  EXPECT_EQ(decoded->cleaning.lag_min_ms, 5);
  EXPECT_EQ(decoded->cleaning.lag_max_ms, 6);
  EXPECT_EQ(decoded->cleaning.tombstone_ms, 7);
}

TEST(TopicSettingsFormat, ExpiryIsKept) {
  for (std::optional<WallTime> expires : {std::optional<WallTime>(), {WallTime{1234567}}}) {
    TopicSettings settings;
    settings.expires = expires;
    std::string bytes;
    encode(settings, bytes);
    EXPECT_EQ(bytes[0], expires ? 3 : 2);
    auto decoded = decode_topic_settings(bytes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->expires, expires);
    if (expires) {
      EXPECT_FALSE(decode_topic_settings(ByteView(bytes).substr(0, bytes.size() - 1)).ok());
    }
  }
}

TEST(TopicSettingsFormat, CodecsAndTheirLevelsAreKept) {
  for (std::optional<WallTime> expires : {std::optional<WallTime>(), {WallTime{1234567}}}) {
    for (int codec = 0; codec <= 5; ++codec) {
      TopicSettings settings;
      settings.expires = expires;
      settings.recompression.levels = {{Compression::gzip, 9}, {Compression::zstd, -131'072}};
      if (codec < 5) settings.recompression.codec = static_cast<Compression>(codec);
      std::string bytes;
      encode(settings, bytes);
      EXPECT_EQ(bytes[0], 4);
      auto decoded = decode_topic_settings(bytes);
      ASSERT_TRUE(decoded.ok());
      EXPECT_EQ(decoded->recompression, settings.recompression);
      EXPECT_EQ(decoded->expires, expires);
      EXPECT_FALSE(decode_topic_settings(ByteView(bytes).substr(0, bytes.size() - 1)).ok());
    }
  }
}

TEST(TopicSettingsFormat, UnknownCodecsAreDamage) {
  TopicSettings settings;
  settings.recompression.codec = Compression::zstd;
  std::string bytes;
  encode(settings, bytes);
  bytes[bytes.size() - 2] = 5;
  EXPECT_FALSE(decode_topic_settings(bytes).ok());
}

// As version 1 wrote them: what was given is all there is to know.
TEST(TopicSettingsFormat, Version1IsRead) {
  for (const std::string policy : {"delete", "compact", "compact,delete"}) {
    std::string bytes;
    ByteWriter writer(bytes);
    writer.u8(1);
    writer.varint(2);
    writer.u8(3);
    writer.u8(0);
    writer.u8(0);
    writer.varint_signed(-1);
    writer.varint_signed(-1);
    writer.varint(1000);
    writer.u8(0);
    writer.sized("");
    writer.varint(2);
    writer.sized("cleanup.policy");
    writer.sized(policy);
    writer.sized("min.cleanable.dirty.ratio");
    writer.sized("0.25");
    auto decoded = decode_topic_settings(bytes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->cleaning.on, policy != "delete");
    EXPECT_EQ(decoded->cleaning.retention_off, policy == "compact");
    EXPECT_EQ(decoded->cleaning.dirty_millionths, 250'000);
  }
}

}  // namespace
}  // namespace trv::model
