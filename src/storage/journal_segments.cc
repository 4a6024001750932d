// The chain of a journal's segments: reserving, adopting and giving up, and zeroes written ahead.
#include <algorithm>
#include <utility>

#include "storage/ballast.h"
#include "storage/detail/journal_state.h"

namespace trv::storage {
namespace {

// Zeroes written ahead make each sync cheaper but are a second write of every byte: they pay while
// syncs cover less than this on average.
constexpr std::uint64_t zeroed_sync_size_max = 64u << 10;
constexpr std::uint64_t zeroes_alignment = 4096;

}  // namespace

Status Journal::State::start() {
  Status s = reserve_first();
  if (s.ok()) s = finish_spare_job();
  if (s.ok()) s = adopt_spare();
  if (s.ok()) s = directory.sync();
  if (s.ok()) directory_changed = false;
  if (!s.ok()) return s;
  if (Status next = reserve_spare(); !next.ok()) stall(next.error());
  return {};
}

// On a full disk a small one may still find room, or is taken from the ballast: enough for
// acknowledgements and deletes. The journal stays stalled with it, since nothing can be reserved
// behind it.
Status Journal::State::reserve_first() {
  Status s = reserve_spare();
  if (s.ok() || s.error().code != Errc::no_space) return s;
  const std::uint32_t small = ballast_piece_size(options.segment_size);
  Result<SegmentFile> reserved = files.reserve(next_id(), small);
  if (!reserved.ok() && reserved.error().code == Errc::no_space) {
    reserved = files.reserve_ballast(next_id(), small);
  }
  if (!reserved.ok()) return reserved.error();
  spare = std::move(*reserved);
  start_spare_job(files.header_job(*spare));
  return {};
}

Status Journal::State::reserve_spare() {
  if (segment_count > segment_number_max) {
    return Error{Errc::overloaded, "the lane has used up its segment numbers; restart"};
  }
  Result<SegmentFile> reserved = files.reserve(next_id(), options.segment_size);
  if (!reserved.ok()) return reserved.error();
  spare = std::move(*reserved);
  start_spare_job(files.header_job(*spare));
  return {};
}

void Journal::State::start_spare_job(std::shared_ptr<SegmentJob> job) {
  spare_job = job;
  if (segment_count == 0) return;  // the first one: start() does it at once
  std::weak_ptr<bool> guard = life;
  offload([job] { job->run(); },
          [this, guard, job] {
            if (!guard.expired()) on_spare_job_done(job);
          });
}

void Journal::State::on_spare_job_done(const std::shared_ptr<SegmentJob>& job) {
  if (spare_job != job) return;
  spare_job.reset();
  if (!job->result.ok() && spare) drop_spare(job->result.error());
}

// Its header is durable afterwards.
Status Journal::State::finish_spare_job() {
  std::shared_ptr<SegmentJob> job = std::exchange(spare_job, nullptr);
  if (!job) return {};
  job->run();
  job->claim.wait();
  return job->result;
}

bool Journal::State::zeroes_pay() const {
  return recent_written / zeroed_sync_size_max < recent_syncs;
}

std::shared_ptr<SegmentJob> Journal::State::next_zeroes() {
  if (!active) return nullptr;
  // Upwards: what lies before `from` may be written already.
  const std::uint64_t from = (tail.position() + options.zeroes_gap + zeroes_alignment - 1) /
                             zeroes_alignment * zeroes_alignment;
  if (active->touched_until < from + options.zeroes_lead) {
    if (auto job = files.zero_job(*active, from, options.zeroes_step)) return job;
  }
  bool all = active->touched_until == active->header.size;
  if (!all || !spare || spare_job || spare->touched_until >= options.zeroes_lead) return nullptr;
  return files.zero_job(*spare, 0, options.zeroes_step);
}

// Step by step, until they lead the tail by enough.
void Journal::State::write_zeroes() {
  if (zeroes || !alive() || !zeroes_pay()) return;
  zeroes = next_zeroes();
  if (!zeroes) return;
  std::weak_ptr<bool> guard = life;
  offload([job = zeroes] { job->run(); },
          [this, guard, job = zeroes] {
            if (guard.expired() || zeroes != job) return;
            zeroes.reset();
            check_zeroes(*job);
            write_zeroes();
          });
}

// They are not to run any more, or have.
void Journal::State::end_zeroes() {
  std::shared_ptr<SegmentJob> job = std::exchange(zeroes, nullptr);
  if (job->claim.try_take()) {
    job->claim.finish();
    return;
  }
  job->claim.wait();
  check_zeroes(*job);
}

// In the active segment the next sync of entries tells, if they are concerned.
void Journal::State::check_zeroes(const SegmentJob& job) {
  if (!job.result.ok() && spare && spare->header.id.blob() == job.blob) {
    drop_spare(job.result.error());
  }
}

void Journal::State::drop_spare(const Error& why) {
  if (zeroes && zeroes->blob == spare->header.id.blob()) zeroes.reset();
  files.discard(*spare);
  spare.reset();
  stall(why);
}

// Requires: its job is finished, well.
Status Journal::State::adopt_spare() {
  // The segment left may be freed and taken into use again before a job on it would end.
  if (zeroes && active && zeroes->blob == active->header.id.blob()) end_zeroes();
  if (Status s = files.adopt(*spare); !s.ok()) return s;
  directory_changed = true;
  if (active && tail.unwritten_size() > 0) unwritten_files.push_back(*active);
  active = *spare;
  spare.reset();
  ++segment_count;
  tail.begin_segment(active->header.id, FrameSeal(active->header.uuid), active->header.size);
  return {};
}

void Journal::State::stall(const Error& why) {
  if (!alive()) return;
  phase = Phase::stalled;
  failure = why;
}

// Is there space again?
void Journal::State::revive() {
  if (phase != Phase::stalled) return;
  if (!active) {
    if (Status s = start(); !s.ok()) {
      if (spare) drop_spare(s.error());
      stall(s.error());
      return;
    }
  } else if (Status s = reserve_spare(); !s.ok()) {
    failure = s.error();
    return;
  }
  if (!spare) return;  // its header could not be written
  phase = Phase::open;
  failure.reset();
}

// In the middle of a round: an entry follows.
Status Journal::State::roll() {
  tail.seal(synced_place, FrameEnd::round_goes_on);
  if (spare) {
    if (Status s = finish_spare_job(); !s.ok()) drop_spare(s.error());
  }
  if (!spare) {
    // The one file failed, not yet the disk: one more try.
    Status s = reserve_spare();
    if (s.ok()) s = finish_spare_job();
    if (!s.ok()) return s;
    phase = Phase::open;
    failure.reset();
  }
  if (Status s = adopt_spare(); !s.ok()) return s;
  if (Status s = reserve_spare(); !s.ok()) stall(s.error());
  return {};
}

void Journal::State::fail(const Error& why) {
  if (!alive()) return;
  phase = Phase::failed;
  failure = why;
}

}  // namespace trv::storage
