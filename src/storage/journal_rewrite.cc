// When a write or a sync has failed, nothing is known about what the file holds beyond the last
// good sync, and no later sync of it can be believed. The segments concerned are written anew, each
// to another file that then takes the name: identity, positions and checksums stay as they are, so
// that nothing else in the process has to know.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "storage/detail/journal_state.h"

namespace trv::storage {
namespace {

constexpr std::uint32_t copy_size = 1u << 20;

// The header, and what lies before `end`.
Status copy_until(std::uint32_t end, const SegmentFile& from, io::File& to) {
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

}  // namespace

// Blocks for as long as it takes to copy a segment or two: nothing else could be done meanwhile.
Status Journal::State::rewrite(const Error& why) {
  if (Status s = end_sync_job(); !s.ok()) return s;
  if (zeroes) end_zeroes();
  for (const auto& [id, segment] : take_unsafe_segments()) {
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

// Those with bytes that are not synced, or not even written.
std::map<SegmentId, SegmentFile> Journal::State::take_unsafe_segments() {
  std::vector<SegmentFile> segments = std::exchange(unsynced_segments, {});
  segments.insert(segments.end(), unwritten_files.begin(), unwritten_files.end());
  const bool active_begun = tail.position() > segment_header_size;
  if (active_begun && tail.unwritten_size() > 0) segments.push_back(*active);
  std::map<SegmentId, SegmentFile> unsafe;
  for (SegmentFile& segment : segments) unsafe.try_emplace(segment.header.id, std::move(segment));
  return unsafe;
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
  }
  if (called_off || !job->result.ok()) {
    take_back(*job);
  } else {
    note_synced(job->entries, job->place);
  }
  return {};
}

// What it was to make safe is not.
void Journal::State::take_back(const SyncJob& job) {
  unsynced_segments.insert(unsynced_segments.begin(), job.segments.begin(), job.segments.end());
  directory_changed = directory_changed || job.directory != nullptr;
}

Status Journal::State::rewrite_segment(const SegmentFile& segment) {
  const SegmentId id = segment.header.id;
  const std::uint32_t synced = synced_place.number == id.number ? synced_place.position : 0;
  const std::uint32_t durable_end = std::max(synced, segment_header_size);
  const auto rest = tail.sealed_from(id.blob(), durable_end);
  if (!rest) return Error{Errc::io_error, "what was not synced is not in memory any more"};

  Result<SegmentFile> again = reserve_again(segment.header);
  if (!again.ok()) return again.error();
  if (Status s = copy_until(durable_end, segment, *again->file); !s.ok()) return s;
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
  const bool full = !again.ok() && again.error().code == Errc::no_space;
  if (full && spare && spare->header.size == header.size) {
    const Error why = again.error();
    (void)finish_spare_job();  // about a header that is not wanted any more
    const Status renamed = files.rename_spare(spare->header.id, header.id);
    again = renamed.ok() ? Result<SegmentFile>(*spare) : Result<SegmentFile>(renamed.error());
    spare.reset();
    stall(why);
  }
  if (again.ok()) again->header = header;
  return again;
}

}  // namespace trv::storage
