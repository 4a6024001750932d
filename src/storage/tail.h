// Tail: the newest bytes of a journal in memory. Frames are assembled in it, written from it, and
// then stay as the cache for readers until newer ones push them out. Nothing is copied between.
//
// Owner: a Journal; its thread only. Slices given out share the chunk and may go anywhere.
//
// A chunk holds a contiguous range of one segment; a frame lies in one chunk. Bytes before a
// chunk's `sealed` never change again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/slice.h"
#include "io/buffer_pool.h"
#include "storage/format.h"

namespace trv::storage {

enum class FrameEnd : std::uint8_t { ends_round, round_goes_on };

class Tail {
 public:
  // More than `cache_size` is kept while it is not synced, up to `unsynced_size_max`.
  Tail(std::uint32_t cache_size, std::uint32_t unsynced_size_max);

  // Where the next frame of the active segment begins.
  void begin_segment(SegmentId id, FrameSeal seal, std::uint32_t size);
  SegmentId segment() const { return segment_; }
  std::uint32_t position() const { return position_; }  // end of the sealed frames

  // Bytes that are left in the active segment.
  std::uint64_t room() const;
  // Does an entry of that payload size fit behind what is in the active segment?
  bool fits(std::uint64_t payload_size) const;
  // Requires: fits(total size of parts).
  BlobRange append(std::uint8_t kind, ShardId shard, std::span<const ByteView> parts,
                   std::uint64_t entry_number, LanePlace synced);
  bool frame_open() const { return frame_entries_ > 0; }
  // Ends the open frame, if there is one.
  void seal(LanePlace synced, FrameEnd end);
  // Seals a frame without entries, whose only word is how far the lane is synced.
  // Requires: no frame open; fits(0).
  void append_note(std::uint64_t entry_number, LanePlace synced);

  // End of the last sealed frame that has entries, and what the last sealed frame said is synced.
  LanePlace entries_end() const { return entries_end_; }
  LanePlace told() const { return told_; }

  // Sealed bytes that have not been written, oldest first, up to the end of a segment.
  struct Unwritten {
    std::uint64_t blob = 0;
    std::uint32_t position = 0;
    std::vector<std::string_view> parts;
    std::uint64_t size = 0;

    std::uint64_t end() const { return position + size; }
  };
  Unwritten unwritten() const;
  std::uint64_t unwritten_size() const { return unwritten_size_; }
  // The bytes of the last unwritten() are on the file.
  void mark_written();
  // Everything before `place` survives a power failure. What does not yet is kept longer: should
  // its file fail, it is needed once more.
  void mark_synced(LanePlace place);
  // The sealed bytes of a segment from `position` on. Nothing when some are not in memory any more,
  // or there are none.
  std::optional<Unwritten> sealed_from(std::uint64_t blob, std::uint32_t position) const;

  std::optional<Slice> find(const BlobRange& where) const;

 private:
  struct Chunk {
    std::shared_ptr<char> buffer;  // shared with slices
    std::uint32_t capacity = 0;
    std::uint64_t blob = 0;
    std::uint32_t start = 0;  // position in the segment of the first byte
    std::uint32_t sealed = 0;
    std::uint32_t written = 0;

    LanePlace end() const { return {SegmentId::of(blob).number, start + sealed}; }
  };

  void open_frame(std::uint32_t payload_size, std::uint64_t entry_number);
  void seal_open_frame(LanePlace synced, FrameEnd end);
  Chunk& chunk_with_room(std::uint32_t size);
  void evict();

  io::BufferPool pool_;
  std::uint32_t cache_size_;
  std::uint32_t unsynced_size_max_;
  std::deque<Chunk> chunks_;
  std::uint64_t chunks_size_ = 0;
  std::size_t unwritten_chunk_ = 0;  // index of the first that may hold unwritten bytes
  std::uint64_t unwritten_size_ = 0;

  SegmentId segment_;
  FrameSeal seal_;
  std::uint32_t segment_size_ = 0;
  std::uint32_t position_ = 0;
  LanePlace entries_end_;
  LanePlace told_;
  LanePlace synced_;
  // The open frame, at the end of the last chunk; sizes count its header.
  std::uint32_t frame_entries_ = 0;
  std::uint32_t frame_size_ = 0;
  std::uint64_t frame_entry_first_ = 0;
};

}  // namespace trv::storage
