#include "storage/tail.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace trv::storage {
namespace {

constexpr std::uint32_t chunk_size_max = 1u << 20;
constexpr std::uint32_t chunk_size_min = 16u << 10;
constexpr std::size_t spare_chunks_max = 16;

std::uint32_t chunk_size_for(std::uint32_t cache_size) {
  return std::clamp(cache_size / 8, chunk_size_min, chunk_size_max);
}

}  // namespace

Tail::Tail(std::uint32_t cache_size, std::uint32_t unsynced_size_max)
    : pool_(chunk_size_for(cache_size), spare_chunks_max),
      cache_size_(cache_size),
      unsynced_size_max_(unsynced_size_max) {}

void Tail::begin_segment(SegmentId id, FrameSeal seal, std::uint32_t size) {
  TRV_ASSERT(!frame_open());
  segment_ = id;
  seal_ = seal;
  segment_size_ = size;
  position_ = segment_header_size;
}

bool Tail::fits(std::uint64_t payload_size) const {
  // As if the open frame had to be sealed first, because its chunk may be full.
  std::uint64_t open = frame_open() ? align_frame(frame_size_) : 0;
  std::uint64_t frame = frame_header_size + entry_header_size + payload_size;
  return position_ + open + frame + frame_alignment - 1 <= segment_size_;
}

std::uint64_t Tail::room() const {
  std::uint64_t used = position_ + (frame_open() ? align_frame(frame_size_) : 0);
  return segment_size_ - std::min<std::uint64_t>(used, segment_size_);
}

BlobRange Tail::append(std::uint8_t kind, ShardId shard, std::span<const ByteView> parts,
                       std::uint64_t entry_number, LanePlace synced) {
  std::uint64_t total = 0;
  for (ByteView part : parts) total += part.size();
  TRV_ASSERT(fits(total));
  const std::uint32_t size = static_cast<std::uint32_t>(total);
  if (frame_open()) {
    const Chunk& chunk = chunks_.back();
    std::uint64_t end = std::uint64_t{chunk.sealed} + frame_size_ + entry_header_size + size;
    if (end + frame_alignment > chunk.capacity) seal(synced, FrameEnd::round_goes_on);
  }
  if (!frame_open()) open_frame(size, entry_number);
  Chunk& chunk = chunks_.back();
  char* p = chunk.buffer.get() + chunk.sealed + frame_size_;
  encode_entry_header(p, kind, shard, size);
  p += entry_header_size;
  for (ByteView part : parts) {
    if (!part.empty()) std::memcpy(p, part.data(), part.size());
    p += part.size();
  }
  BlobRange where{segment_.blob(), position_ + frame_size_ + entry_header_size, size};
  frame_size_ += entry_header_size + size;
  ++frame_entries_;
  return where;
}

void Tail::open_frame(std::uint32_t payload_size, std::uint64_t entry_number) {
  chunk_with_room(align_frame(frame_header_size + entry_header_size + payload_size));
  frame_size_ = frame_header_size;
  frame_entry_first_ = entry_number;
}

Tail::Chunk& Tail::chunk_with_room(std::uint32_t size) {
  if (!chunks_.empty()) {
    Chunk& last = chunks_.back();
    if (last.blob == segment_.blob() && last.capacity - last.sealed >= size) return last;
  }
  std::uint32_t capacity = std::max(size, static_cast<std::uint32_t>(pool_.buffer_size()));
  Chunk chunk;
  chunk.buffer = pool_.get(capacity);
  chunk.capacity = capacity;
  chunk.blob = segment_.blob();
  chunk.start = position_;
  chunks_.push_back(std::move(chunk));
  chunks_size_ += capacity;
  evict();
  return chunks_.back();
}

void Tail::seal(LanePlace synced, FrameEnd end) {
  if (frame_open()) seal_open_frame(synced, end);
}

void Tail::append_note(std::uint64_t entry_number, LanePlace synced) {
  TRV_ASSERT(!frame_open());
  TRV_ASSERT(fits(0));
  open_frame(0, entry_number);
  seal_open_frame(synced, FrameEnd::ends_round);
}

void Tail::seal_open_frame(LanePlace synced, FrameEnd end) {
  Chunk& chunk = chunks_.back();
  char* frame = chunk.buffer.get() + chunk.sealed;
  std::uint32_t length = align_frame(frame_size_);
  std::memset(frame + frame_size_, 0, length - frame_size_);
  seal_frame(frame,
             {length, frame_entry_first_, frame_entries_, synced, end == FrameEnd::round_goes_on},
             seal_, position_);
  chunk.sealed += length;
  position_ += length;
  unwritten_size_ += length;
  if (frame_entries_ > 0) entries_end_ = {segment_.number, position_};
  told_ = synced;
  frame_entries_ = 0;
  frame_size_ = 0;
}

Tail::Unwritten Tail::unwritten() const {
  Unwritten result;
  for (std::size_t i = unwritten_chunk_; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.written == chunk.sealed) continue;
    if (result.parts.empty()) {
      result.blob = chunk.blob;
      result.position = chunk.start + chunk.written;
    } else if (chunk.blob != result.blob) {
      break;
    }
    result.parts.emplace_back(chunk.buffer.get() + chunk.written, chunk.sealed - chunk.written);
    result.size += chunk.sealed - chunk.written;
  }
  return result;
}

void Tail::mark_written() {
  std::uint64_t blob = 0;
  std::size_t i = unwritten_chunk_;
  for (bool first = true; i < chunks_.size(); ++i) {
    Chunk& chunk = chunks_[i];
    if (chunk.written == chunk.sealed) continue;
    if (!first && chunk.blob != blob) break;
    blob = chunk.blob;
    first = false;
    unwritten_size_ -= chunk.sealed - chunk.written;
    chunk.written = chunk.sealed;
  }
  // The last chunk may get more.
  unwritten_chunk_ = std::min(i, chunks_.size() - 1);
  evict();
}

void Tail::mark_synced(LanePlace place) {
  synced_ = place;
  evict();
}

std::optional<Tail::Unwritten> Tail::sealed_from(std::uint64_t blob, std::uint32_t position) const {
  Unwritten result;
  result.blob = blob;
  result.position = position;
  for (const Chunk& chunk : chunks_) {
    const std::uint32_t end = chunk.start + chunk.sealed;
    if (chunk.blob != blob || end <= result.end()) continue;
    if (chunk.start > result.end()) return {};
    const std::size_t from = result.end() - chunk.start;
    result.parts.emplace_back(chunk.buffer.get() + from, chunk.sealed - from);
    result.size += chunk.sealed - from;
  }
  if (result.size == 0) return {};
  return result;
}

void Tail::evict() {
  while (chunks_size_ > cache_size_ && chunks_.size() > 1 && unwritten_chunk_ > 0) {
    const bool wanted = chunks_.front().end() > synced_;
    if (wanted && chunks_size_ <= unsynced_size_max_) return;
    chunks_size_ -= chunks_.front().capacity;
    chunks_.pop_front();
    --unwritten_chunk_;
  }
}

std::optional<Slice> Tail::find(const BlobRange& where) const {
  auto after = std::upper_bound(
      chunks_.begin(), chunks_.end(), where, [](const BlobRange& w, const Chunk& chunk) {
        return std::pair(w.blob, w.position) < std::pair(chunk.blob, chunk.start);
      });
  if (after == chunks_.begin()) return {};
  const Chunk& chunk = *std::prev(after);
  std::uint64_t filled = chunk.sealed + (&chunk == &chunks_.back() ? frame_size_ : 0);
  if (chunk.blob != where.blob ||
      std::uint64_t{where.position} + where.length > chunk.start + filled) {
    return {};
  }
  return Slice(chunk.buffer,
               std::string_view(chunk.buffer.get() + (where.position - chunk.start), where.length));
}

}  // namespace trv::storage
