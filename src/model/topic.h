// Topic: a name, settings, and 1..n partition logs, as an index of stored batches. Pure state: the
// batches themselves are in the journal, at the places the index tells.
//
// Owner: the shard of the topic's name. All partitions of a topic live there, so every record also
// has a place in one order over the whole topic, its Sequence (docs/decisions/0002).
//
// Invariants:
//   - offsets are given densely within a partition, sequences within the topic; ids ascend with
//     sequences. Batches that were dropped leave gaps, and a batch may have lost records;
//   - start() and log_start() never go back, nor do end() and log_end();
//   - live_count() is the number of records that readers by sequence may see once committed:
//     no control records, none erased, none aborted, none of transactions still open.
// apply_* change state and never fail; they are called alike for new entries and in replay.
#pragma once

#include <boost/container/deque.hpp>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "model/batch.h"
#include "model/batch_index.h"
#include "model/producer_state.h"

namespace trv::model {

// Keeping only the newest record of each key (model/cleaning.h).
struct Cleaning {
  bool on = false;
  bool retention_off = false;               // nothing is deleted for its age, or for the log's size
  std::int32_t dirty_millionths = 500'000;  // of the log: the least share worth the work
  std::int64_t lag_min_ms = 0;              // younger records are left alone
  std::int64_t lag_max_ms = -1;             // older ones are not left dirty; -1: no limit
  std::int64_t tombstone_ms = 86'400'000;   // how long after its cleaning a tombstone is kept
};

// What becomes of the codec of batches that their producers send.
struct Recompression {
  std::optional<Compression> codec;  // all are stored in it; nothing: as each came
  // How hard codecs try, in their own scales (compress()); only those of which it was said.
  std::map<Compression, std::int32_t> levels;
  bool operator==(const Recompression&) const = default;

  std::optional<std::int32_t> level() const {
    auto it = levels.find(codec.value_or(Compression::none));
    return it == levels.end() ? std::nullopt : std::optional(it->second);
  }
};

struct TopicSettings {
  std::int32_t partition_count = 1;
  Durability durability = Durability::fsync;
  // Gone after a restart: never recorded in the journal's topic entries.
  bool transient = false;
  // Present while the topic is there on behalf of something: a queue's own log goes with the queue.
  bool owned_by_queue = false;
  std::int64_t retention_ms = -1;     // -1: for ever
  std::int64_t retention_bytes = -1;  // of one partition; -1: no limit
  std::int32_t batch_size_max = 1048588;
  bool append_time = false;  // records take the broker's clock
  Cleaning cleaning;
  Recompression recompression;
  // The one field in which this topic's field lists carry everything; empty when not known.
  std::string payload_field;
  // From then on the topic is not there any more.
  std::optional<WallTime> expires;
  // Settings as given, by the name under which they came, for whoever describes the topic.
  std::vector<std::pair<std::string, std::string>> given;
};

void encode(const TopicSettings& settings, std::string& out);
Result<TopicSettings> decode_topic_settings(ByteView bytes);

// A batch on its way into the index.
struct StoredBatch {
  PartitionIndex partition;
  BatchHeader header;  // base offset as stored
  RecordId first_id;
  RecordId last_id;
  BlobRange blob;
  // For control batches: whether the marker commits.
  bool marker_commits = false;
  std::int32_t coordinator_epoch = 0;
  WallTime appended;
};

class Topic {
 public:
  Topic(TopicId id, std::string name, TopicSettings settings);

  TopicId id() const { return id_; }
  const std::string& name() const { return name_; }
  const TopicSettings& settings() const { return settings_; }
  void set_settings(TopicSettings settings) { settings_ = std::move(settings); }
  std::int32_t partition_count() const { return static_cast<std::int32_t>(partitions_.size()); }
  bool has_partition(PartitionIndex p) const { return p.value >= 0 && p.value < partition_count(); }

  Sequence start() const { return start_; }
  Sequence end() const { return end_; }
  Offset log_start(PartitionIndex p) const { return partition(p).start; }
  Offset log_end(PartitionIndex p) const { return partition(p).end; }
  std::uint64_t log_bytes(PartitionIndex p) const { return partition(p).bytes; }
  RecordId last_id() const { return last_id_; }
  RecordId max_erased_id() const { return max_erased_id_; }
  // Records ever added, as far as readers by id count them.
  std::uint64_t added_count() const { return added_count_; }
  std::uint64_t live_count() const { return live_count_; }
  // Below it, no transaction is open: what readers by sequence may see at most.
  Sequence stable_end() const;
  const ProducerStates& producers(PartitionIndex p) const { return partition(p).producers; }
  ProducerStates& producers(PartitionIndex p) { return partition(p).producers; }

  // The id for a record added now without a chosen one: above all ids so far.
  // Errors: out_of_range when ids are exhausted.
  Result<RecordId> next_id(WallTime now) const;

  void apply_batch(const StoredBatch& batch);
  // Records up to these positions are lost (found damaged in recovery); numbering goes on after.
  // What was open in the partition counts as aborted: its end may be lost, too.
  void apply_gap(PartitionIndex p, Offset log_end, Sequence end);
  // The batch that begins at `first` is stored elsewhere now, with or without all of its records.
  // False when there is none (any more) or it is not the same.
  bool apply_moved(Sequence first, const BatchHeader& header, const BlobRange& blob);
  // The batches that begin at these (ascending) are gone; those that are not there are passed over.
  // Nothing happens to the last one of a partition, which readers by offset need to see the end.
  void apply_drop(std::span<const Sequence> firsts);
  bool is_last(const BatchEntry& entry) const {
    return entry.end_offset() == partition(entry.partition).end;
  }
  // How far a partition has been cleaned, and when its first tombstone may go (-1: it has none).
  struct CleanMark {
    Offset end;
    std::int64_t tombstone_due_ms = -1;
  };
  void apply_cleaned(PartitionIndex p, CleanMark mark);
  const CleanMark& clean_mark(PartitionIndex p) const { return partition(p).clean; }
  // Everything before `sequence` is gone. `sequence` may not exceed end().
  void apply_trim(Sequence sequence);
  // Everything of the partition before `offset` is gone. `offset` may not exceed log_end(p). Takes
  // time by the number of batches in the topic when others hold older ones.
  void apply_trim_partition(PartitionIndex p, Offset offset);
  // Single records are gone, with their ids for max_erased_id().
  void apply_erase(Sequence sequence, RecordId id);
  // Sets what readers by id see as the past: the id below which none will be given, and counters.
  void apply_set_id(RecordId last_id, std::optional<std::uint64_t> added_count,
                    std::optional<RecordId> max_erased_id);
  void apply_add_partitions(std::int32_t partition_count);

  bool erased(Sequence sequence) const { return erased_.contains(sequence); }
  bool any_erased(Sequence first, Sequence end) const {
    auto it = erased_.lower_bound(first);
    return it != erased_.end() && *it < end;
  }
  // Records of the batch at or after `from` that are stored and not erased, whoever may see them.
  std::uint64_t present_in(const BatchEntry& entry, Sequence from) const;
  // Between start() and end() there may be sequences without a record that readers see.
  bool has_holes() const { return holes_ || !erased_.empty(); }
  // The first record of the batch that was not trimmed; those before are gone though the batch,
  // which is stored as a whole, is there.
  Sequence first_left(const BatchEntry& entry) const;

  // The index. The entries of one partition are found by offset, all of them by sequence, id or
  // time. Nothing when there is none at or after the key.
  FoundBatch batch_at(Sequence sequence) const;
  FoundBatch batch_at(PartitionIndex p, Offset offset) const;
  // The last batch that begins at or before `id`, or the first batch when none does.
  FoundBatch batch_near(RecordId id) const;
  // The first batch of the partition whose newest record is not older than `timestamp_ms`.
  FoundBatch batch_since(PartitionIndex p, std::int64_t timestamp_ms) const;
  FoundBatch batch_with_max_timestamp(PartitionIndex p) const;
  FoundBatch next(const BatchEntry& entry) const;  // in sequence order
  FoundBatch previous(const BatchEntry& entry) const;
  FoundBatch next_in_partition(const BatchEntry& entry) const;
  std::size_t batch_count() const { return batches_.size(); }
  // Passes over at most so many pages of the index that tell, unread, that no batch in them lies in
  // a segment for which `wanted(segment)` holds. Result: `from`, or where the next one begins.
  template <class Wanted>
  Sequence skip_segments(Sequence from, int pages_max, Wanted&& wanted) const;

  // Where to trim so that `live_max` records stay: exactly, or at the batch boundary that leaves a
  // few more. Erased and hidden records are not counted.
  Sequence trim_point(std::uint64_t live_max, bool at_batch_boundary) const;

  // The stored batches in sequence order. Where `whole(first, end)` holds for a page of them it is
  // `page(segments)` instead of each `batch(entry)` in it.
  template <class Whole, class Page, class Batch>
  void each_stored(Whole&& whole, Page&& page, Batch&& batch) const;

  // --- pages of the index that leave memory, in topics of one partition (BatchIndex) ------------
  void use(PageStore* store) { batches_.use(store); }
  // Before encode_state(), for a checkpoint.
  void place_pages() {
    if (single()) batches_.place_pages();
  }
  void on_stored(std::uint64_t file) { batches_.on_stored(file); }
  // What the index takes.
  std::size_t index_bytes() const { return batches_.memory_bytes(); }

  // Snapshot of everything but name, id and settings; restore() is for a fresh Topic.
  void encode_state(std::string& out) const;
  Status restore_state(ByteView bytes);

 private:
  struct PartitionLog {
    Offset start;
    Offset end;
    std::uint64_t bytes = 0;
    CleanMark clean;
    ProducerStates producers;
    // With several partitions: ordinals of the partition's batches, oldest first.
    boost::container::deque<std::uint64_t> ordinals;
  };
  struct OpenTransaction {
    Sequence first_sequence;
    std::uint64_t record_count = 0;
  };
  using TransactionKey = std::pair<PartitionIndex, ProducerId>;

  PartitionLog& partition(PartitionIndex p);
  const PartitionLog& partition(PartitionIndex p) const;
  bool single() const { return partitions_.size() == 1; }
  FoundBatch by_index(std::size_t index) const;
  BatchEntry by_ordinal(std::uint64_t ordinal) const;
  // Of the single partition; pages without such a one are not read.
  FoundBatch batch_as_new(Offset from, std::int64_t timestamp_ms) const;
  FoundBatch batch_with_max_timestamp(Offset from) const;
  // Live records of one batch at or after `from`, as counted by live_count().
  std::uint64_t live_in(const BatchEntry& entry, Sequence from) const;
  bool open(const BatchEntry& entry) const;
  void note_producer(const StoredBatch& batch);
  void note_transaction(const BatchEntry& entry, bool marker_commits);
  // Its records in the partition, so far.
  void abort_records(const TransactionKey& key, const OpenTransaction& transaction);
  // The records of the batch before `end` leave the counters.
  void uncount(const BatchEntry& entry, Sequence end);
  void drop_front();
  void count_ordinals();

  TopicId id_;
  std::string name_;
  TopicSettings settings_;
  std::vector<PartitionLog> partitions_;
  BatchIndex batches_;
  std::uint64_t first_ordinal_ = 0;  // of the first of them; grows as the front is dropped
  Sequence start_;
  Sequence end_;
  RecordId last_id_;
  RecordId max_erased_id_;
  std::uint64_t added_count_ = 0;
  std::uint64_t live_count_ = 0;
  std::set<Sequence> erased_;  // at or after start_
  bool holes_ = false;         // besides those of erased_, perhaps
  std::map<TransactionKey, OpenTransaction> open_;
};

template <class Wanted>
Sequence Topic::skip_segments(Sequence from, int pages_max, Wanted&& wanted) const {
  for (; pages_max > 0; --pages_max) {
    const BatchPage* page = batches_.page_behind(from);
    if (!page) return from;
    const auto unwanted = [&](const SegmentBytes& segment) { return !wanted(segment.blob); };
    if (!page->segments.each(unwanted)) return from;
    from = page->end;
  }
  return from;
}

template <class Whole, class Page, class Batch>
void Topic::each_stored(Whole&& whole, Page&& page, Batch&& batch) const {
  for (std::size_t i = 0; i < batches_.size();) {
    const BatchPage* placed = batches_.page_at(i);
    if (placed && whole(placed->first_sequence, placed->end)) {
      page(placed->segments);
      i += placed->count;
    } else {
      batch(batches_.at(i++));
    }
  }
}

}  // namespace trv::model
