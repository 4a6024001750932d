// Proves what trimming leaves of a topic, against a twin that keeps every record by itself: random
// batches, transactions, erased records, and trims of the topic and of single partitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/topic.h"

namespace trv::model {
namespace {

constexpr std::int32_t batch_bytes = 100;

struct TwinRecord {
  enum class Fate : std::uint8_t { plain, open, aborted, control };
  PartitionIndex partition;
  Offset offset;
  ProducerId producer{-1};
  Fate fate = Fate::plain;
  bool erased = false;
};

class Twin {
 public:
  explicit Twin(std::int32_t partition_count, unsigned seed)
      : topic_(TopicId(1), "t", settings(partition_count)), random_(seed) {
    starts_.resize(static_cast<std::size_t>(partition_count));
    ends_.resize(starts_.size());
  }

  void step() {
    switch (pick(9)) {
      case 8:
        return restore();
      case 0:
        return trim();
      case 1:
      case 2:
        return trim_partition();
      case 3:
        return erase();
      case 4:
        return append_marker();
      default:
        return append();
    }
  }

  void check() const {
    std::uint64_t live = 0;
    std::map<Sequence, PartitionIndex> entries;
    for (std::size_t s = 0; s < records_.size(); ++s) {
      const TwinRecord& record = records_[s];
      Sequence sequence(static_cast<std::int64_t>(s));
      FoundBatch entry = topic_.batch_at(sequence);
      bool covered = entry && entry->first_sequence <= sequence;
      bool found = covered && topic_.first_left(*entry) <= sequence;
      ASSERT_EQ(found, !gone(s)) << "sequence " << s;
      if (!found) continue;
      entries.emplace(entry->first_sequence, entry->partition);
      if (record.fate == TwinRecord::Fate::plain && !record.erased) ++live;
      ASSERT_EQ(topic_.erased(sequence), record.erased) << s;
      ASSERT_EQ(topic_.batch_at(record.partition, record.offset), entry) << s;
      ASSERT_EQ(entry->hidden(), record.fate == TwinRecord::Fate::aborted ||
                                     record.fate == TwinRecord::Fate::control);
    }
    EXPECT_EQ(topic_.live_count(), live);
    EXPECT_EQ(topic_.batch_count(), entries.size());
    for (std::size_t p = 0; p < starts_.size(); ++p) {
      PartitionIndex index(static_cast<std::int32_t>(p));
      EXPECT_EQ(topic_.log_start(index), starts_[p]);
      EXPECT_EQ(topic_.log_end(index), ends_[p]);
      auto batches = static_cast<std::uint64_t>(
          std::count_if(entries.begin(), entries.end(),
                        [index](const auto& entry) { return entry.second == index; }));
      EXPECT_EQ(topic_.log_bytes(index), batches * batch_bytes);
    }
  }

 private:
  static TopicSettings settings(std::int32_t partition_count) {
    TopicSettings settings;
    settings.partition_count = partition_count;
    return settings;
  }

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  PartitionIndex pick_partition() { return PartitionIndex(pick(static_cast<int>(starts_.size()))); }
  Offset& start_of(PartitionIndex p) { return starts_[static_cast<std::size_t>(p.value)]; }
  Offset& end_of(PartitionIndex p) { return ends_[static_cast<std::size_t>(p.value)]; }
  bool gone(std::size_t s) const {
    const TwinRecord& record = records_[s];
    return static_cast<std::int64_t>(s) < topic_start_ ||
           record.offset < starts_[static_cast<std::size_t>(record.partition.value)];
  }

  StoredBatch make_batch(PartitionIndex p, std::int32_t count) {
    StoredBatch batch;
    batch.partition = p;
    batch.header.base_offset = end_of(p);
    batch.header.length = batch_bytes - 12;
    batch.header.record_count = count;
    batch.header.last_offset_delta = count - 1;
    batch.first_id = topic_.last_id().next();
    batch.last_id = {batch.first_id.ms, batch.first_id.seq + static_cast<std::uint64_t>(count)};
    batch.blob = {1, 0, batch_bytes};
    return batch;
  }
  void store(const StoredBatch& batch, TwinRecord::Fate fate) {
    topic_.apply_batch(batch);
    for (std::int32_t i = 0; i < batch.header.record_count; ++i) {
      records_.push_back(
          {batch.partition, end_of(batch.partition), batch.header.producer_id, fate, false});
      ++end_of(batch.partition);
    }
  }

  void append() {
    StoredBatch batch = make_batch(pick_partition(), 1 + pick(5));
    if (pick(3) != 0) return store(batch, TwinRecord::Fate::plain);
    batch.header.producer_id = ProducerId(pick(2));
    batch.header.producer_epoch = 0;
    batch.header.base_sequence = 0;
    batch.header.attributes = batch_attributes::transactional;
    store(batch, TwinRecord::Fate::open);
  }

  void append_marker() {
    StoredBatch batch = make_batch(pick_partition(), 1);
    batch.header.producer_id = ProducerId(pick(2));
    batch.header.producer_epoch = 0;
    batch.header.attributes = batch_attributes::transactional | batch_attributes::control;
    batch.marker_commits = pick(2) == 0;
    for (TwinRecord& record : records_) {
      if (record.fate != TwinRecord::Fate::open || record.partition != batch.partition ||
          record.producer != batch.header.producer_id) {
        continue;
      }
      record.fate = batch.marker_commits ? TwinRecord::Fate::plain : TwinRecord::Fate::aborted;
    }
    store(batch, TwinRecord::Fate::control);
  }

  void trim() {
    std::int64_t size = static_cast<std::int64_t>(records_.size());
    std::int64_t to = std::min(size, topic_start_ + pick(6));
    topic_.apply_trim(Sequence(to));
    if (to <= topic_start_) return;
    for (std::int64_t s = topic_start_; s < to; ++s) {
      const TwinRecord& record = records_[static_cast<std::size_t>(s)];
      start_of(record.partition) = std::max(start_of(record.partition), record.offset + 1);
    }
    topic_start_ = to;
  }

  void trim_partition() {
    PartitionIndex p = pick_partition();
    Offset to = std::min(end_of(p), start_of(p) + pick(8));
    topic_.apply_trim_partition(p, to);
    if (to == start_of(p)) return;
    start_of(p) = to;
    while (topic_start_ < static_cast<std::int64_t>(records_.size()) &&
           gone(static_cast<std::size_t>(topic_start_))) {
      ++topic_start_;
    }
    if (starts_.size() == 1) return;
    EXPECT_EQ(topic_.start(), Sequence(topic_start_));
  }

  void erase() {
    if (records_.empty()) return;
    auto s = static_cast<std::size_t>(pick(static_cast<int>(records_.size())));
    topic_.apply_erase(Sequence(static_cast<std::int64_t>(s)), RecordId{1, 1});
    if (!gone(s) && records_[s].fate == TwinRecord::Fate::plain) records_[s].erased = true;
  }

  // As a checkpoint and a restart do.
  void restore() {
    std::string state;
    topic_.encode_state(state);
    Topic restored(TopicId(1), "t", topic_.settings());
    ASSERT_TRUE(restored.restore_state(state));
    topic_ = std::move(restored);
  }

  Topic topic_;
  std::mt19937 random_;
  std::vector<TwinRecord> records_;  // by sequence
  std::int64_t topic_start_ = 0;
  std::vector<Offset> starts_;
  std::vector<Offset> ends_;
};

class TopicTrim : public testing::TestWithParam<int> {};

TEST_P(TopicTrim, LeavesWhatTheTwinHas) {
  for (std::int32_t partition_count : {1, 2, 5}) {
    Twin twin(partition_count, static_cast<unsigned>(GetParam()));
    for (int i = 0; i < 150; ++i) {
      twin.step();
      twin.check();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, TopicTrim, testing::Range(0, 30));

}  // namespace
}  // namespace trv::model
