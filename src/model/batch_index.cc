#include "model/batch_index.h"

#include <algorithm>
#include <boost/container/deque.hpp>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"

namespace trv::model {
namespace {

constexpr std::size_t page_count = 32;  // batches in a page
// What readers at the end look for is not packed.
constexpr std::size_t newest_min = 4;
constexpr std::size_t newest_max = newest_min + page_count;

enum Flag : std::uint8_t {
  flag_control = 1,
  flag_transactional = 2,
  flag_aborted = 4,
  flag_thinned = 8,  // `kept` follows
  flag_other = 16,   // producer, partition and origin follow: not those of the batch before
};

// Differences are taken modulo 2^64, so that any values have one.
void write_step(ByteWriter& writer, std::uint64_t value, std::uint64_t expected) {
  writer.varint_signed(static_cast<std::int64_t>(value - expected));
}
std::uint64_t read_step(ByteReader& reader, std::uint64_t expected) {
  return expected + static_cast<std::uint64_t>(reader.varint_signed());
}

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::uint8_t flags_of(const BatchEntry& entry, const BatchEntry& before) {
  const bool other = entry.producer_id != before.producer_id ||
                     entry.partition != before.partition || entry.origin != before.origin;
  return static_cast<std::uint8_t>(
      (entry.control ? flag_control : 0) | (entry.transactional ? flag_transactional : 0) |
      (entry.aborted ? flag_aborted : 0) | (entry.kept != entry.count ? flag_thinned : 0) |
      (other ? flag_other : 0));
}

void pack(ByteWriter& writer, const BatchEntry& entry, const BatchEntry& before) {
  const std::uint8_t flags = flags_of(entry, before);
  writer.u8(flags);
  write_step(writer, bits(entry.first_sequence.value), bits(before.end_sequence().value));
  write_step(writer, bits(entry.base_offset.value), bits(before.end_offset().value));
  write_step(writer, entry.first_id.ms, before.first_id.ms);
  write_step(writer, entry.first_id.seq, before.first_id.seq);
  write_step(writer, bits(entry.max_timestamp), bits(before.max_timestamp));
  write_step(writer, entry.blob.blob, before.blob.blob);
  write_step(writer, entry.blob.position, std::uint64_t{before.blob.position} + before.blob.length);
  writer.varint(entry.blob.length);
  writer.varint(static_cast<std::uint64_t>(entry.count));
  if ((flags & flag_thinned) != 0) writer.varint(static_cast<std::uint64_t>(entry.kept));
  if ((flags & flag_other) == 0) return;
  writer.varint_signed(entry.producer_id.value);
  writer.varint(static_cast<std::uint64_t>(entry.partition.value));
  writer.u8(static_cast<std::uint8_t>(entry.origin));
}

BatchEntry unpack(ByteReader& reader, const BatchEntry& before) {
  BatchEntry entry = before;
  const std::uint8_t flags = reader.u8();
  entry.control = (flags & flag_control) != 0;
  entry.transactional = (flags & flag_transactional) != 0;
  entry.aborted = (flags & flag_aborted) != 0;
  entry.first_sequence =
      Sequence(static_cast<std::int64_t>(read_step(reader, bits(before.end_sequence().value))));
  entry.base_offset =
      Offset(static_cast<std::int64_t>(read_step(reader, bits(before.end_offset().value))));
  entry.first_id.ms = read_step(reader, before.first_id.ms);
  entry.first_id.seq = read_step(reader, before.first_id.seq);
  entry.max_timestamp = static_cast<std::int64_t>(read_step(reader, bits(before.max_timestamp)));
  entry.blob.blob = read_step(reader, before.blob.blob);
  entry.blob.position = static_cast<std::uint32_t>(
      read_step(reader, std::uint64_t{before.blob.position} + before.blob.length));
  entry.blob.length = static_cast<std::uint32_t>(reader.varint());
  entry.count = static_cast<std::int32_t>(reader.varint());
  entry.kept =
      (flags & flag_thinned) != 0 ? static_cast<std::int32_t>(reader.varint()) : entry.count;
  if ((flags & flag_other) == 0) return entry;
  entry.producer_id = ProducerId(reader.varint_signed());
  entry.partition = PartitionIndex(static_cast<std::int32_t>(reader.varint()));
  entry.origin = static_cast<Origin>(reader.u8());
  return entry;
}

}  // namespace

struct BatchIndex::Packed {
  struct Page {
    Sequence end;  // of its last batch
    RecordId first_id;
    std::string bytes;
  };
  // Where the last look ended: the next one is often behind it.
  struct Place {
    std::size_t page = 0;
    std::size_t index = page_count;  // in the page; page_count: nowhere
    std::size_t position = 0;        // of what follows
    BatchEntry entry;
  };

  boost::container::deque<Page> pages;  // of page_count batches each
  std::size_t skipped = 0;              // of the first page: gone
  mutable Place place;

  static Page make_page(std::vector<BatchEntry>::const_iterator first) {
    Page page;
    ByteWriter writer(page.bytes);
    BatchEntry before;
    page.first_id = first->first_id;
    for (std::size_t i = 0; i < page_count; ++i, ++first) {
      pack(writer, *first, before);
      before = *first;
    }
    page.end = before.end_sequence();
    page.bytes.shrink_to_fit();
    return page;
  }

  // One batch after the other, from `index` on or from a place before it.
  const BatchEntry& look(std::size_t page, std::size_t index) const {
    if (place.page != page || place.index == page_count || place.index > index) begin(page);
    while (place.index != index) step();
    return place.entry;
  }
  void begin(std::size_t page) const {
    place = {page, 0, 0, BatchEntry()};
    read();
  }
  void step() const {
    ++place.index;
    read();
  }
  void read() const {
    ByteReader reader(ByteView(pages[place.page].bytes).substr(place.position));
    place.entry = unpack(reader, place.entry);
    place.position = pages[place.page].bytes.size() - reader.rest().size();
  }
  void forget_place() { place.index = page_count; }

  // The first in the page for which `is_behind` holds, which it does for the last at the latest.
  template <class Condition>
  std::size_t find_in(std::size_t page, Condition&& is_behind) const {
    const bool known = place.page == page && place.index < page_count && !is_behind(place.entry);
    std::size_t index = known ? place.index + 1 : 0;
    while (!is_behind(look(page, index))) ++index;
    return index;
  }
};

BatchIndex::BatchIndex() = default;
BatchIndex::~BatchIndex() = default;
BatchIndex::BatchIndex(BatchIndex&&) noexcept = default;
BatchIndex& BatchIndex::operator=(BatchIndex&&) noexcept = default;

std::size_t BatchIndex::packed_count() const {
  return packed_ ? packed_->pages.size() * page_count - packed_->skipped : 0;
}

std::size_t BatchIndex::size() const { return packed_count() + newest_.size(); }

BatchEntry BatchIndex::at(std::size_t index) const {
  const std::size_t packed = packed_count();
  if (index >= packed) {
    TRV_ASSERT(index - packed < newest_.size());
    return newest_[index - packed];
  }
  const std::size_t place = index + packed_->skipped;
  return packed_->look(place / page_count, place % page_count);
}

void BatchIndex::push_back(const BatchEntry& entry) {
  if (newest_.size() == newest_max) pack_oldest();
  // Many topics are small, and none has more than that.
  if (newest_.size() == newest_.capacity()) {
    newest_.reserve(std::clamp<std::size_t>(newest_.size() * 2, 1, newest_max));
  }
  newest_.push_back(entry);
}

void BatchIndex::pack_oldest() {
  if (!packed_) packed_ = std::make_unique<Packed>();
  packed_->pages.push_back(Packed::make_page(newest_.begin()));
  newest_.erase(newest_.begin(), newest_.begin() + page_count);
}

void BatchIndex::pop_front() {
  if (packed_count() == 0) {
    newest_.erase(newest_.begin());
    return;
  }
  if (++packed_->skipped < page_count) return;
  packed_->pages.pop_front();
  packed_->skipped = 0;
  packed_->forget_place();
  if (packed_->pages.empty()) packed_.reset();
}

void BatchIndex::replace(std::size_t index, const BatchEntry& entry) {
  const std::size_t packed = packed_count();
  if (index >= packed) {
    newest_[index - packed] = entry;
    return;
  }
  const std::size_t place = index + packed_->skipped;
  const std::size_t page = place / page_count;
  std::vector<BatchEntry> entries;
  for (std::size_t i = 0; i < page_count; ++i) entries.push_back(packed_->look(page, i));
  TRV_ASSERT(entries[place % page_count].first_sequence == entry.first_sequence);
  entries[place % page_count] = entry;
  packed_->pages[page] = Packed::make_page(entries.begin());
  packed_->forget_place();
}

std::size_t BatchIndex::first_behind(Sequence sequence) const {
  const std::size_t packed = packed_count();
  if (packed > 0 && packed_->pages.back().end > sequence) {
    const auto& pages = packed_->pages;
    auto page = std::upper_bound(pages.begin(), pages.end(), sequence,
                                 [](Sequence s, const Packed::Page& p) { return s < p.end; });
    const auto number = static_cast<std::size_t>(page - pages.begin());
    const std::size_t in_page = packed_->find_in(
        number, [&](const BatchEntry& entry) { return entry.end_sequence() > sequence; });
    const std::size_t place = number * page_count + in_page;
    return place - std::min(place, packed_->skipped);
  }
  auto it = std::upper_bound(
      newest_.begin(), newest_.end(), sequence,
      [](Sequence s, const BatchEntry& entry) { return s < entry.end_sequence(); });
  return packed + static_cast<std::size_t>(it - newest_.begin());
}

std::size_t BatchIndex::count_until(RecordId id) const {
  const auto begins_behind = [](RecordId i, const BatchEntry& entry) { return i < entry.first_id; };
  if (!newest_.empty() && !begins_behind(id, newest_.front())) {
    auto it = std::upper_bound(newest_.begin(), newest_.end(), id, begins_behind);
    return packed_count() + static_cast<std::size_t>(it - newest_.begin());
  }
  if (packed_count() == 0) return 0;
  const auto& pages = packed_->pages;
  auto page = std::upper_bound(pages.begin(), pages.end(), id,
                               [](RecordId i, const Packed::Page& p) { return i < p.first_id; });
  if (page == pages.begin()) return 0;
  const auto number = static_cast<std::size_t>(page - pages.begin()) - 1;
  std::size_t in_page = 0;
  while (in_page < page_count && !begins_behind(id, packed_->look(number, in_page))) ++in_page;
  const std::size_t place = number * page_count + in_page;
  return place - std::min(place, packed_->skipped);
}

}  // namespace trv::model
