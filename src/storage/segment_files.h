// SegmentFiles: makes, recycles and opens one lane's segment files.
//
// A segment file gets its identity before its name: under a spare name its space is reserved, its
// header written and synced; the rename to the segment's own name is what puts it into the lane. So
// a segment file with an unreadable header is damage, never an interrupted creation.
//
// Owner: a Journal; its thread only, except SegmentJob::run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/claim.h"
#include "io/file.h"
#include "storage/format.h"

namespace trv::storage {

// Free files have fixed names, so that taking one needs no listing.
inline constexpr std::uint32_t free_files_max = 4;
std::string free_name(std::uint32_t slot);

struct SegmentFile {
  SegmentHeader header;
  std::shared_ptr<io::File> file;  // shared with jobs on the offload pool
  // Blocks from here on were never written, and each sync of such blocks costs more. So zeroes are
  // written ahead; a recycled file needs none.
  std::uint64_t touched_until = 0;
};

// Blocking work on a segment file: its header, or a stretch of zeroes; then a sync.
struct SegmentJob {
  io::Claim claim;
  std::uint64_t blob = 0;
  std::shared_ptr<io::File> file;
  std::string header;  // empty: zeroes
  std::uint64_t zero_from = 0;
  std::uint64_t zero_size = 0;
  Status result;  // once the claim is finished

  // From any thread; does nothing when another one has it.
  void run();
};

class SegmentFiles {
 public:
  SegmentFiles(io::Directory& directory, std::uint64_t disk_free_min);

  // Reserves `size` bytes for segment `id`: a free file, or a new one if that leaves enough of the
  // disk. Short of blocking for a sync. Errors: no_space, io_error.
  Result<SegmentFile> reserve(SegmentId id, std::uint32_t size);
  // The same out of the ballast. Requires: `size` is at most that of a piece.
  Result<SegmentFile> reserve_ballast(SegmentId id, std::uint32_t size);
  // Makes a spare the one of another segment.
  Status rename_spare(SegmentId from, SegmentId to);
  // The job that writes the spare's header.
  static std::shared_ptr<SegmentJob> header_job(const SegmentFile& spare);
  // The next stretch of zeroes, nothing of it before `from`; null when there is none to write.
  // Short, since syncs of other bytes in the file wait for it. Through a handle of its own: each
  // handle is told of a failed sync, so that this one's takes nothing from the journal's.
  std::shared_ptr<SegmentJob> zero_job(SegmentFile& segment, std::uint64_t from,
                                       std::uint64_t size_max) const;
  // Gives it its name. Requires: its header is synced. The directory is not synced.
  Status adopt(const SegmentFile& spare);
  // Gives up a spare whose file failed.
  void discard(const SegmentFile& spare);

  // For reading; keeps the most recently used ones open.
  Result<std::shared_ptr<io::File>> open_for_read(std::uint64_t blob);
  // Closes what is open for reading and not wanted any more.
  void close_unless(const std::function<bool(std::uint64_t)>& wanted);

 private:
  bool take_free(const std::string& name);
  Status spare_the_disk(std::uint32_t size);

  io::Directory& directory_;
  const std::uint64_t disk_free_min_;
  struct Opened {
    std::uint64_t blob;
    std::shared_ptr<io::File> file;
  };
  std::vector<Opened> opened_;  // most recently used last
};

}  // namespace trv::storage
