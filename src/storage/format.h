// Bytes of the journal's files: names, segment headers, frames, entries. docs/formats/journal.md is
// the specification; this is its only implementation, for writer and reader alike. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::storage {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint32_t segment_header_size = 4096;
inline constexpr std::uint32_t segment_header_copy_position = 2048;
inline constexpr std::uint32_t segment_size_min = 16u << 10;
inline constexpr std::uint32_t segment_size_max = 2u << 30;
inline constexpr std::uint32_t frame_header_size = 40;
inline constexpr std::uint32_t entry_header_size = 8;
inline constexpr std::uint32_t frame_alignment = 8;
inline constexpr std::uint32_t segment_number_max = (1u << 24) - 1;
inline constexpr std::uint32_t lane_max = 255;

constexpr std::uint32_t align_frame(std::uint32_t size) {
  return (size + frame_alignment - 1) & ~(frame_alignment - 1);
}

// A segment's identity; as a blob id (base/ids.h) it is session | lane | number, so ids order as
// replay does.
struct SegmentId {
  std::uint32_t session = 0;
  std::uint8_t lane = 0;
  std::uint32_t number = 0;  // 24 bits
  constexpr auto operator<=>(const SegmentId&) const = default;

  constexpr std::uint64_t blob() const {
    return (std::uint64_t{session} << 32) | (std::uint64_t{lane} << 24) | number;
  }
  static constexpr SegmentId of(std::uint64_t blob) {
    return {static_cast<std::uint32_t>(blob >> 32), static_cast<std::uint8_t>(blob >> 24),
            static_cast<std::uint32_t>(blob) & segment_number_max};
  }
};

// A place in one lane of one session.
struct LanePlace {
  std::uint32_t number = 0;    // of the segment
  std::uint32_t position = 0;  // byte in it
  constexpr auto operator<=>(const LanePlace&) const = default;

  constexpr std::uint64_t packed() const { return (std::uint64_t{number} << 32) | position; }
  static constexpr LanePlace of(std::uint64_t packed) {
    return {static_cast<std::uint32_t>(packed >> 32), static_cast<std::uint32_t>(packed)};
  }
};

std::string segment_name(SegmentId id);
std::optional<SegmentId> parse_segment_name(ByteView name);
// `prefix` and `digits` lower-case hexadecimal digits.
std::string numbered_name(ByteView prefix, std::uint64_t number, int digits);
std::optional<std::uint64_t> parse_numbered_name(ByteView prefix, ByteView name,
                                                 std::size_t digits);
inline constexpr ByteView segment_prefix = "segment-";
inline constexpr ByteView spare_prefix = "next-";  // prepared for a lane, not yet in it
inline constexpr ByteView free_prefix = "free-";   // to be used again
inline constexpr ByteView ballast_prefix = "ballast-";
inline constexpr ByteView session_prefix = "session-";
inline constexpr ByteView checkpoint_prefix = "checkpoint-";
inline constexpr ByteView unfinished_suffix = ".tmp";

using Uuid = std::array<char, 16>;
Uuid make_uuid();

struct SegmentHeader {
  Uuid uuid{};
  SegmentId id;
  std::uint32_t size = 0;  // of the file when it was made
};
std::string encode_segment_header(const SegmentHeader& header);  // segment_header_size bytes
// Takes whichever of the two copies is whole. Nothing: neither is.
std::optional<SegmentHeader> parse_segment_header(ByteView bytes);

// What makes a frame valid only in its own segment and at its own position.
class FrameSeal {
 public:
  FrameSeal() = default;
  explicit FrameSeal(const Uuid& uuid);
  std::uint32_t marker() const { return marker_; }  // a frame's first four bytes; never 0
  std::uint32_t seed(std::uint32_t position) const;

 private:
  std::uint32_t marker_ = 1;
  std::uint32_t base_ = 0;
};

struct FrameHeader {
  std::uint32_t length = 0;  // whole frame, header and padding included
  std::uint64_t entry_first = 0;
  std::uint32_t entry_count = 0;
  LanePlace synced;  // of this lane: all before it was known to be synced when this was written
  // The round goes on in the next frame: without its last frame, nothing of it counts.
  bool round_goes_on = false;
};
// Writes header and checksums over a frame whose body is already in place behind the header.
void seal_frame(char* frame, const FrameHeader& header, const FrameSeal& seal,
                std::uint32_t position);

enum class FrameState : std::uint8_t {
  valid,
  body_damaged,  // the header is whole, so the frame's extent is known; its contents are not
  invalid,       // no frame begins here
  beyond,        // the header is whole, but the bytes given end before the frame does
};
struct ParsedFrame {
  FrameState state = FrameState::invalid;
  FrameHeader header;  // unless invalid
};
// `bytes` begins at `position` of the segment. `check_body`: else the body's checksum is skipped.
ParsedFrame parse_frame(ByteView bytes, const FrameSeal& seal, std::uint32_t position,
                        bool check_body = true);

void encode_entry_header(char* into, std::uint8_t kind, ShardId shard, std::uint32_t size);
struct EntryHeader {
  std::uint8_t kind = 0;
  ShardId shard;
  std::uint32_t size = 0;
};
// Requires: entry_header_size bytes at `from`.
EntryHeader parse_entry_header(const char* from);

}  // namespace trv::storage
