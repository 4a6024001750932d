// BatchIndex: the stored batches of a topic in sequence order. The newest lie there as they are;
// older ones are packed, a few bytes each, so that a backlog takes little memory.
//
// Owner: a Topic. Entries come back by value: what is packed has no address.
//
// Invariants: entries ascend by first_sequence, and by first_id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "model/batch.h"

namespace trv::model {

// What the index keeps of a batch.
struct BatchEntry {
  Sequence first_sequence;
  Offset base_offset;
  RecordId first_id;
  std::int64_t max_timestamp = 0;
  BlobRange blob;
  ProducerId producer_id{-1};
  std::int32_t count = 0;  // of offsets; records that are gone included
  std::int32_t kept = 0;   // records that are stored
  PartitionIndex partition;
  Origin origin = Origin::batch;
  bool control = false;
  bool transactional = false;
  bool aborted = false;

  Sequence end_sequence() const { return first_sequence + count; }
  Offset end_offset() const { return base_offset + count; }
  // Readers by sequence pass over it.
  bool hidden() const { return control || aborted; }

  bool operator==(const BatchEntry&) const = default;
};

using FoundBatch = std::optional<BatchEntry>;

class BatchIndex {
 public:
  BatchIndex();
  ~BatchIndex();
  BatchIndex(BatchIndex&&) noexcept;
  BatchIndex& operator=(BatchIndex&&) noexcept;

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  // Requires: index < size(). Cheapest one after the other.
  BatchEntry at(std::size_t index) const;
  BatchEntry front() const { return at(0); }

  // Requires: `entry` lies behind all others.
  void push_back(const BatchEntry& entry);
  void pop_front();
  // Requires: the sequences stay as they are.
  void replace(std::size_t index, const BatchEntry& entry);

  // The index of the first batch that ends behind `sequence`; size() when none does.
  std::size_t first_behind(Sequence sequence) const;
  // How many batches begin at or before `id`.
  std::size_t count_until(RecordId id) const;

  // In order; `visit(const BatchEntry&)`.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < size(); ++i) visit(at(i));
  }
  // Asks once about each, in order. Result: whether any went.
  template <class Condition>
  bool erase_if(Condition&& condition) {
    BatchIndex kept;
    each([&](const BatchEntry& entry) {
      if (!condition(entry)) kept.push_back(entry);
    });
    const bool any = kept.size() < size();
    if (any) *this = std::move(kept);
    return any;
  }

 private:
  struct Packed;

  void pack_oldest();
  std::size_t packed_count() const;

  std::unique_ptr<Packed> packed_;  // null while there are few batches
  std::vector<BatchEntry> newest_;
};

}  // namespace trv::model
