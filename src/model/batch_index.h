// BatchIndex: the stored batches of a topic in sequence order. The newest lie there as they are;
// older ones are packed in pages, a few bytes each, and pages that a checkpoint has written leave
// memory: what stays of them is a summary, two hundred bytes for up to 1024 batches. So a backlog
// takes next to no memory (docs/decisions/0009, 0011).
//
// Owner: a Topic. Entries come back by value: what is packed has no address. A page that cannot be
// read back answers batches that lie nowhere (PageCursor).
//
// Invariants: entries ascend by first_sequence, and by first_id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "model/batch_entry.h"
#include "model/batch_page.h"
#include "model/page_store.h"

namespace trv::model {

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
  // Asks once, in order, about each of the batches that begin at `firsts` (ascending); those for
  // which `goes` holds leave. Result: whether any did.
  using Goes = std::function<bool(const BatchEntry&)>;
  bool erase(std::span<const Sequence> firsts, const Goes& goes);

  // The index of the first batch that ends behind `sequence`; size() when none does.
  std::size_t first_behind(Sequence sequence) const;
  // How many batches begin at or before `id`.
  std::size_t count_until(RecordId id) const;
  // Passes over pages without a batch that is as new as `timestamp`: the result is `index`, or
  // where the first other page begins.
  std::size_t skip_older(std::size_t index, std::int64_t timestamp) const;
  // The page that begins with the batch of this index and has a place; null when none does.
  const BatchPage* page_at(std::size_t index) const;
  // The first page that ends behind `sequence`, if it has a place; else null.
  const BatchPage* page_behind(Sequence sequence) const;

  // In order; `visit(const BatchEntry&)`.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < size(); ++i) visit(at(i));
  }

  // What it takes, near enough to be told; pages that have left memory take none but their summary.
  std::size_t memory_bytes() const;

  // --- pages that leave memory ------------------------------------------------------------------
  // Outlives the index. Null, as at first: nothing leaves.
  void use(PageStore* store);
  // For the checkpoint that is being taken: gives every page that has none a place, as long as the
  // store takes them, moves those whose file is to go, and joins small ones at the end into larger
  // ones. encode() then refers to them.
  void place_pages();
  // That checkpoint is there for good: what came with it leaves memory.
  void on_stored(std::uint64_t file);
  // Everything comes back to memory.
  void load_pages();

  // The batches for a checkpoint, and back into an empty index.
  void encode(ByteWriter& writer) const;
  // `steps`: as encode() writes the segments of pages (decode_summary). False: damaged.
  bool decode(ByteReader& reader, std::int32_t partition_count, bool steps = true);
  // As they were written before there were pages.
  bool decode_plain(ByteReader& reader, std::int32_t partition_count);

 private:
  struct Packed;

  Packed& packed();
  void pack_newest(std::size_t count);
  std::size_t packed_count() const;
  bool decode_entries(ByteReader& reader, std::uint64_t count, std::int32_t partition_count);
  bool erase_in_newest(std::span<const Sequence> firsts, const Goes& goes);

  PageStore* store_ = nullptr;
  std::unique_ptr<Packed> packed_;  // null while there are few batches
  std::vector<BatchEntry> newest_;
};

}  // namespace trv::model
