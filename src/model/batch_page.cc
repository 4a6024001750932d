#include "model/batch_page.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace trv::model {
namespace {

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

// In a page that is lost: every batch has one sequence, and the last one what is left. Ids ascend,
// and are at most what they were.
BatchEntry lost_batch(const BatchPage& page, std::size_t index) {
  BatchEntry entry;
  entry.first_sequence = page.first_sequence + static_cast<std::int64_t>(index);
  entry.base_offset = Offset(entry.first_sequence.value);
  entry.first_id = {page.first_id.ms, page.first_id.seq + index};
  entry.max_timestamp = page.max_timestamp;
  const bool last = index + 1 == page.count;
  entry.count = last ? static_cast<std::int32_t>(page.end - entry.first_sequence) : 1;
  entry.kept = entry.count;
  return entry;
}

}  // namespace

SegmentList::SegmentList(std::span<const SegmentBytes> segments) {
  ByteWriter writer(packed_);
  writer.varint(segments.size());
  std::uint64_t last = 0;
  for (const SegmentBytes& segment : segments) {
    write_step(writer, segment.blob, std::exchange(last, segment.blob));
    writer.varint(segment.bytes);
  }
  packed_.shrink_to_fit();
}

std::uint64_t SegmentList::size() const { return ByteReader(packed_).varint(); }

BatchPage make_page(std::span<const BatchEntry> entries) {
  TRV_ASSERT(!entries.empty());
  BatchPage page;
  ByteWriter writer(page.bytes);
  BatchEntry before;
  page.max_timestamp = entries.front().max_timestamp;
  for (const BatchEntry& entry : entries) {
    pack(writer, entry, before);
    page.max_timestamp = std::max(page.max_timestamp, entry.max_timestamp);
    before = entry;
  }
  page.count = static_cast<std::uint32_t>(entries.size());
  page.first_sequence = entries.front().first_sequence;
  page.first_id = entries.front().first_id;
  page.end = before.end_sequence();
  page.bytes.shrink_to_fit();
  return page;
}

SegmentList segments_of(std::span<const BatchEntry> entries) {
  std::vector<SegmentBytes> segments;
  for (const BatchEntry& entry : entries) {
    // Neighbours share one, nearly always.
    auto known = std::find_if(segments.rbegin(), segments.rend(),
                              [&](const SegmentBytes& s) { return s.blob == entry.blob.blob; });
    if (known == segments.rend()) {
      segments.push_back({entry.blob.blob, entry.blob.length});
    } else {
      known->bytes += entry.blob.length;
    }
  }
  return SegmentList(segments);
}

void encode_summary(const BatchPage& page, ByteWriter& writer) {
  writer.varint(page.count);
  writer.varint_signed(page.first_sequence.value);
  writer.varint_signed(page.end.value);
  writer.varint(page.first_id.ms);
  writer.varint(page.first_id.seq);
  writer.varint_signed(page.max_timestamp);
  writer.varint(page.place.file);
  writer.varint(page.place.position);
  writer.varint(page.place.length);
  writer.bytes(page.segments.packed());
}

bool decode_summary(ByteReader& reader, BatchPage& page, bool steps) {
  page.count = static_cast<std::uint32_t>(reader.varint());
  page.first_sequence = Sequence(reader.varint_signed());
  page.end = Sequence(reader.varint_signed());
  page.first_id.ms = reader.varint();
  page.first_id.seq = reader.varint();
  page.max_timestamp = reader.varint_signed();
  page.place.file = reader.varint();
  page.place.position = static_cast<std::uint32_t>(reader.varint());
  page.place.length = static_cast<std::uint32_t>(reader.varint());
  std::vector<SegmentBytes> segments;
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    const std::uint64_t last = segments.empty() ? 0 : segments.back().blob;
    const std::uint64_t blob = steps ? read_step(reader, last) : reader.varint();
    segments.push_back({blob, reader.varint()});
  }
  page.segments = SegmentList(segments);
  return reader.ok() && page.count > 0 && page.place.file > 0 &&
         page.end - page.first_sequence >= static_cast<std::int64_t>(page.count);
}

const BatchEntry& PageCursor::look(const BatchPage& page, std::size_t index, PageStore* store) {
  TRV_ASSERT(index < page.count);
  if (!valid_ || number_ != page.number) begin(page);
  if (index + 1 < next_) rewind();
  if (!lost_ && next_ <= index) lost_ = !read(page, index, store);
  if (lost_) {
    entry_ = lost_batch(page, index);
    next_ = index + 1;
  }
  return entry_;
}

const BatchEntry* PageCursor::found_in(const BatchPage& page, std::size_t& index) const {
  if (!valid_ || number_ != page.number) return nullptr;
  index = next_ - 1;
  return &entry_;
}

void PageCursor::begin(const BatchPage& page) {
  valid_ = true;
  lost_ = false;
  number_ = page.number;
  loaded_.reset();
  rewind();
}

void PageCursor::rewind() {
  next_ = 0;
  position_ = 0;
  entry_ = BatchEntry();
}

bool PageCursor::read(const BatchPage& page, std::size_t index, PageStore* store) {
  PageBytes loaded;
  if (!page.in_memory()) {
    loaded = loaded_.lock();
    if (!loaded) {
      TRV_ASSERT(store != nullptr);
      Result<PageBytes> bytes = store->read(page.place);
      if (!bytes.ok()) return false;
      loaded = std::move(*bytes);
      loaded_ = loaded;
    }
  }
  const ByteView bytes = loaded ? ByteView(*loaded) : ByteView(page.bytes);
  ByteReader reader(bytes.substr(position_));
  for (; next_ <= index; ++next_) entry_ = unpack(reader, entry_);
  position_ = bytes.size() - reader.rest().size();
  return true;
}

}  // namespace trv::model
