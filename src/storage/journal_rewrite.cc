// When a write or a sync has failed, nothing is known about what the file holds beyond the last
// good sync, and no later sync of it can be believed. The segments concerned are written anew, each
// to another file that then takes the name: identity, positions and checksums stay as they are, so
// that nothing else in the process has to know.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "storage/detail/journal_state.h"

namespace trv::storage {
namespace {

constexpr std::uint32_t copy_size = 1u << 20;

}  // namespace

// Blocks for as long as it takes to copy a segment or two: nothing else could be done meanwhile.
Status Journal::State::rewrite(const Error& why) {
  if (Status s = end_sync_job(); !s.ok()) return s;
  if (zeroes) end_zeroes();
  for (const SegmentFile& segment : take_unsafe_segments()) {
    log::error("a segment's file has failed, and is given up: {}", why.message);
    if (Status s = rewrite_segment(segment); !s.ok()) return s;
  }
  if (Status s = directory.sync(); !s.ok()) return s;
  directory_changed = false;
  while (tail.unwritten_size() > 0) tail.mark_written();
  unsynced_size = 0;
  note_written();
  note_synced(written_entries, written_place);
  log::warn("what it held is safe in another file");
  return {};
}

// Those with bytes that are not synced, or not even written, each once and in order.
std::vector<SegmentFile> Journal::State::take_unsafe_segments() {
  std::vector<SegmentFile> segments = std::exchange(unsynced_segments, {});
  segments.insert(segments.end(), unwritten_files.begin(), unwritten_files.end());
  const bool active_begun = tail.position() > segment_header_size;
  if (active_begun && tail.unwritten_size() > 0) segments.push_back(*active);
  const auto before = [](const SegmentFile& a, const SegmentFile& b) {
    return a.header.id < b.header.id;
  };
  const auto same = [](const SegmentFile& a, const SegmentFile& b) {
    return a.header.id == b.header.id;
  };
  std::stable_sort(segments.begin(), segments.end(), before);
  segments.erase(std::unique(segments.begin(), segments.end(), same), segments.end());
  return segments;
}

// The sync in flight, if there is one, has a result now or will never run.
Status Journal::State::end_sync_job() {
  const std::shared_ptr<SyncJob> job = std::exchange(sync_job, nullptr);
  if (!job) return {};
  const bool called_off = job->claim.try_take();
  if (called_off) {
    job->claim.finish();
  } else {
    job->claim.wait();
    if (job->directory_failed) return job->result;
    if (job->result.ok()) {
      note_synced(job->entries, job->place);
      return {};
    }
  }
  directory_changed = directory_changed || job->directory != nullptr;
  unsynced_segments.insert(unsynced_segments.begin(), job->segments.begin(), job->segments.end());
  return {};
}

Status Journal::State::rewrite_segment(const SegmentFile& segment) {
  const SegmentId id = segment.header.id;
  const std::uint32_t synced = synced_place.number == id.number ? synced_place.position : 0;
  const std::uint32_t durable_end = std::max(synced, segment_header_size);
  const auto rest = tail.sealed_from(id.blob(), durable_end);
  if (!rest) return Error{Errc::io_error, "what was not synced is not in memory any more"};

  Result<SegmentFile> again = reserve_again(segment.header);
  if (!again.ok()) return again.error();
  if (Status s = copy_durable(segment, *again->file, durable_end); !s.ok()) return s;
  if (Status s = again->file->write_at(durable_end, rest->parts); !s.ok()) return s;
  if (Status s = again->file->sync(); !s.ok()) return s;
  if (Status s = files.adopt(*again); !s.ok()) return s;

  again->touched_until = std::max(again->touched_until, rest->end());
  files.close_unless([&](std::uint64_t blob) { return blob != id.blob(); });
  if (active && active->header.id == id) active = *again;
  const LanePlace end{id.number, static_cast<std::uint32_t>(rest->end())};
  written_place = std::max(written_place, end);
  return {};
}

// On a full disk the next segment's space is taken.
Result<SegmentFile> Journal::State::reserve_again(const SegmentHeader& header) {
  Result<SegmentFile> again = files.reserve(header.id, header.size);
  if (!again.ok()) {
    if (again.error().code != Errc::no_space || !spare || spare->header.size != header.size) {
      return again;
    }
    const Error full = again.error();
    (void)finish_spare_job();  // about a header that is not wanted any more
    again = files.rename_spare(*spare, header.id);
    spare.reset();
    stall(full);
    if (!again.ok()) return again;
  }
  again->header = header;
  return again;
}

Status Journal::State::copy_durable(const SegmentFile& from, io::File& to, std::uint32_t end) {
  std::string bytes = encode_segment_header(from.header);
  for (std::uint32_t at = 0; at < end;) {
    const std::string_view part = bytes;
    if (Status s = to.write_at(at, std::span(&part, 1)); !s.ok()) return s;
    at += static_cast<std::uint32_t>(bytes.size());
    bytes.resize(std::min(copy_size, end - at));
    if (Status s = from.file->read_at(at, std::span(bytes)); !s.ok()) return s;
  }
  return {};
}

}  // namespace trv::storage
