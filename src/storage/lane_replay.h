// LaneReplay: reads the segments of one lane of one session in order, hands out the entries of
// every frame that can be trusted, and judges the rest: the torn tail of an unclean end, or damage.
//
// The judgement (docs/formats/journal.md, "Reading a lane"): where the chain of frames breaks, it
// is damage when something proves that these bytes were synced once: the session's seal, or a later
// frame that says so. Otherwise it is the end of the lane.
//
// Used once, on one thread, by Store::recover and the fuzzer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "storage/format.h"
#include "storage/session_file.h"
#include "storage/store.h"

namespace trv::storage {

// Memory for segments' bytes, used again and again: touching fresh pages costs more than reading.
struct ScratchBuffer {
  std::unique_ptr<char[]> bytes;
  std::uint32_t capacity = 0;
  std::unique_ptr<char[]> window;  // for looking through what will hardly be kept
};

// A segment file's bytes, read as far as they are needed: a little at first, then in large steps.
// What lies behind the last frame is looked through window by window, without the holes.
class SegmentImage {
 public:
  // `scratch` is this image's until it is destroyed.
  SegmentImage(SegmentId id, ScratchBuffer& scratch) : id_(id), scratch_(scratch) {}
  // Errors: io_error and what else opening or reading says; a file that is gone is not_found.
  Status open(io::Directory& directory);

  SegmentId id() const { return id_; }
  std::uint32_t size() const { return size_; }
  const std::optional<SegmentHeader>& header() const { return header_; }
  const FrameSeal& seal() const { return seal_; }
  // Nothing was ever written behind the header.
  Result<bool> blank();

  Result<ParsedFrame> frame_at(std::uint32_t position, bool check_body = true);
  // The place of the first whole frame header at or behind `position`.
  Result<std::optional<std::uint32_t>> find_frame(std::uint32_t position);
  // Requires: frame_at(position) is valid.
  ByteView frame_body(std::uint32_t position, const FrameHeader& header) const;
  bool marker_at(std::uint32_t position);
  std::uint64_t bytes_read() const { return read_; }

 private:
  Status load(std::uint64_t until);
  Status read(std::uint64_t position, std::span<char> into);
  Status find_data(std::uint64_t from);
  // The first place at or behind `from` that begins like a frame; size() when there is none.
  Result<std::uint64_t> find_marker(std::uint64_t from);

  SegmentId id_;
  ScratchBuffer& scratch_;
  std::unique_ptr<io::File> file_;
  std::uint32_t size_ = 0;
  std::uint32_t loaded_ = 0;
  std::uint64_t read_ = 0;
  std::optional<std::vector<io::Stretch>> data_;  // of the part that is not loaded
  std::optional<SegmentHeader> header_;
  FrameSeal seal_;
};

class LaneReplay {
 public:
  using OnEntry = std::function<Status(const EntryHeader&, ByteView payload, BlobRange where)>;

  struct Input {
    std::uint32_t session = 0;
    std::uint8_t lane = 0;
    std::uint32_t first_number = 0;      // where reading must begin
    std::vector<std::uint32_t> numbers;  // of the segments there are, ascending, from first_number
    std::optional<LaneSeal> seal;
    // Of the last session: no start after it may have cut its segments to their ends.
    bool uncut = false;
  };
  // Kept by the caller over many lanes.
  struct Scratch {
    ScratchBuffer reading;
    ScratchBuffer looking_ahead;
  };
  LaneReplay(io::Directory& directory, Input input, Scratch& scratch, OnEntry on_entry,
             RecoveryReport& report);

  // Errors: from on_entry, or a disk that cannot be read.
  Status run();

  // After run(). Where the lane ends, as recovery has it.
  LaneSeal end() const;
  // The end lies in the lane's last segment.
  bool reached_last() const { return image_ && index_ + 1 == input_.numbers.size(); }
  // The segment that the lane was synced up to, as far as its frames tell.
  std::uint32_t synced_number() const { return synced_.number; }

 private:
  Status open_segment(std::size_t index);
  Status replay_frames();
  // Hands out the frame at place(), and those of its round before it; or holds it until the round's
  // last one comes.
  Status take(const FrameHeader& header);
  Status deliver(LanePlace at, const FrameHeader& header, ByteView body);
  Status deliver_held();
  // The chain broke at place(): moves to the next trusted frame or to the end.
  Status resolve_break();
  Result<bool> continues_in_next();
  struct Behind {
    std::optional<LanePlace> next;  // the next valid frame
    bool any_header = false;        // of a frame whose body may be damaged
    bool cut_short = false;         // a file has lost its end
  };
  Result<Behind> look_behind();
  Result<LanePlace> latest_synced();
  bool cut_short(const SegmentImage& image) const;
  Status move_to(LanePlace place);
  LanePlace place() const;
  bool at_seal() const;
  void damaged(LanePlace at, std::string what);
  SegmentId id_of(std::uint32_t number) const { return {input_.session, input_.lane, number}; }

  io::Directory& directory_;
  Input input_;
  Scratch& scratch_;
  OnEntry on_entry_;
  RecoveryReport& report_;

  std::size_t index_ = 0;  // in input_.numbers
  std::unique_ptr<SegmentImage> image_;
  std::uint32_t position_ = segment_header_size;
  // Number of the next entry; unknown after a loss, until the next frame says it.
  std::optional<std::uint64_t> expected_;
  std::uint64_t entries_ = 0;
  LanePlace end_;  // of the last whole round
  // Frames of a round whose last one has not come yet. As large as a round may be.
  struct HeldFrame {
    LanePlace at;
    FrameHeader header;
    std::string body;
  };
  std::vector<HeldFrame> held_;
  LanePlace synced_;
  bool ended_ = false;
};

}  // namespace trv::storage
