// BatchPage: neighbouring batches of an index, packed: about 14 bytes each. In memory, in a page
// file (docs/formats/pages.md), or both.
//
// Owner: a BatchIndex. Pure but for PageCursor, which reads through the PageStore that it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/ids.h"
#include "model/batch_entry.h"
#include "model/page_store.h"

namespace trv::model {

// How many bytes of a segment something takes.
struct SegmentBytes {
  std::uint64_t blob = 0;
  std::uint64_t bytes = 0;

  bool operator==(const SegmentBytes&) const = default;
};

// A list of those, packed: three or four bytes each, since there are as many as pages times
// segments. Neighbours in the list should be neighbours in number.
class SegmentList {
 public:
  SegmentList() : SegmentList(std::span<const SegmentBytes>()) {}
  explicit SegmentList(std::span<const SegmentBytes> segments);
  std::uint64_t size() const;
  ByteView packed() const { return packed_; }

  // In order; `visit(const SegmentBytes&)`, until one answers false. Result: whether none did.
  template <class Visit>
  bool each(Visit&& visit) const {
    ByteReader reader(packed_);
    SegmentBytes segment;
    for (std::uint64_t n = reader.varint(); n > 0; --n) {
      segment.blob += static_cast<std::uint64_t>(reader.varint_signed());
      segment.bytes = reader.varint();
      if (!visit(std::as_const(segment))) return false;
    }
    return true;
  }

 private:
  std::string packed_;  // how many; then of each the step from the one before, and its bytes
};

struct BatchPage {
  std::uint64_t number = 0;  // of its first batch, as its index counts them
  std::uint32_t count = 0;
  Sequence first_sequence;
  Sequence end;  // of its last batch
  RecordId first_id;
  std::int64_t max_timestamp = 0;
  std::string bytes;  // empty: only at `place`
  PagePlace place;
  SegmentList segments;  // of all its batches; only while it has a place

  std::uint64_t end_number() const { return number + count; }
  bool in_memory() const { return !bytes.empty(); }
  bool young() const { return in_memory() && place.file == 0; }
};

// Requires: there are entries, in order.
BatchPage make_page(std::span<const BatchEntry> entries);
SegmentList segments_of(std::span<const BatchEntry> entries);

// What is known of a page that has a place without reading it.
void encode_summary(const BatchPage& page, ByteWriter& writer);
// `steps`: segments are told by steps, as encode_summary() does, and not by their numbers, as
// before. False: it is damaged.
bool decode_summary(ByteReader& reader, BatchPage& page, bool steps);

// Reads the batches of a page one after the other. Where a look ended the next one goes on, since
// it is often for what follows. What it has read of the store is the store's to keep or to drop.
class PageCursor {
 public:
  // The batch of that index in the page. Requires: index < page.count. What cannot be read is
  // answered by batches that lie nowhere, and share the page's sequences: whoever loads one is told
  // of the damage. `store` may be null when all pages are in memory.
  const BatchEntry& look(const BatchPage& page, std::size_t index, PageStore* store);
  // The batch that the last look found, if it was in this page; else null.
  const BatchEntry* found_in(const BatchPage& page, std::size_t& index) const;
  // Whether the page of the last look could not be read.
  bool lost() const { return lost_; }
  // The pages have changed.
  void forget() { valid_ = false; }

 private:
  void begin(const BatchPage& page);
  void rewind();
  // Up to that batch. False: the page cannot be read.
  bool read(const BatchPage& page, std::size_t index, PageStore* store);

  bool valid_ = false;
  bool lost_ = false;                        // the page
  std::uint64_t number_ = 0;                 // of the page
  std::size_t next_ = 0;                     // batch in it
  std::size_t position_ = 0;                 // of that
  std::weak_ptr<const std::string> loaded_;  // the page's bytes, when they are not in memory
  BatchEntry entry_;                         // the one before `next_`
};

}  // namespace trv::model
