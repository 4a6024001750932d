#include "storage/journal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/mutant.h"
#include "storage/detail/journal_state.h"

namespace trv::storage {
namespace {

// A sync of more than this takes longer than handing it to another thread.
constexpr std::uint64_t inline_sync_size_max = 32u << 10;
// Completions may append more; a flush serves them too, this often.
constexpr int flush_passes_max = 8;
constexpr std::uint64_t recent_syncs_max = 64;
// What a segment holds besides the payload of its only entry, generously.
constexpr std::uint32_t entry_overhead = segment_header_size + 128;
static_assert(Journal::entry_overhead_max >=
              frame_header_size + entry_header_size + frame_alignment);

void run_here(UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
  blocking();
  done();
}

JournalOptions checked(JournalOptions options) {
  std::uint32_t size = std::clamp(options.segment_size, segment_size_min, segment_size_max);
  options.segment_size = (size + 4095) / 4096 * 4096;
  return options;
}

}  // namespace

Journal::State::State(io::Directory& d, std::uint32_t session_number, CoreIndex core,
                      JournalOptions o, Offload f)
    : directory(d),
      session(session_number),
      lane(static_cast<std::uint8_t>(core.value)),
      options(checked(o)),
      offload(f ? std::move(f) : Offload(run_here)),
      files(d, options.disk_free_min),
      tail(options.cache_size, options.unsynced_size_max) {}

Journal::State::~State() {
  // A job that has not begun is called off; one that has must end before the directory goes away.
  if (spare_job && !spare_job->claim.try_take()) spare_job->claim.wait();
  if (zeroes && !zeroes->claim.try_take()) zeroes->claim.wait();
  if (sync_job && !sync_job->claim.try_take()) sync_job->claim.wait();
}

// --- writing and syncing ----------------------------------------------------------------------

Status Journal::State::write() {
  Status written = write_out();
  if (!written.ok()) written = rewrite(written.error());
  return written;
}

Status Journal::State::write_out() {
  while (tail.unwritten_size() > 0) {
    Tail::Unwritten bytes = tail.unwritten();
    SegmentFile* segment = active && active->header.id.blob() == bytes.blob ? &*active : nullptr;
    while (segment == nullptr && !unwritten_files.empty()) {
      if (unwritten_files.front().header.id.blob() == bytes.blob) {
        segment = &unwritten_files.front();
      } else {
        unwritten_files.erase(unwritten_files.begin());
      }
    }
    TRV_ASSERT(segment != nullptr);
    if (zeroes && zeroes->blob == bytes.blob && bytes.end() > zeroes->zero_from) end_zeroes();
    if (Status s = segment->file->write_at(bytes.position, bytes.parts); !s.ok()) return s;
    note_unsynced(*segment);
    unsynced_size += bytes.size;
    recent_written += bytes.size;
    // Not the place where the next frame begins: that may be in a segment where nothing is yet.
    written_place = {SegmentId::of(bytes.blob).number, static_cast<std::uint32_t>(bytes.end())};
    tail.mark_written();
  }
  note_written();
  return {};
}

void Journal::State::note_written() {
  unwritten_files.clear();
  if (!tail.frame_open()) written_entries = entries;
}

void Journal::State::note_unsynced(const SegmentFile& segment) {
  if (unsynced_segments.empty() || unsynced_segments.back().file != segment.file) {
    unsynced_segments.push_back(segment);
  }
}

std::shared_ptr<SyncJob> Journal::State::make_sync() {
  auto job = std::make_shared<SyncJob>();
  job->segments = std::exchange(unsynced_segments, {});
  if (TRV_MUTANT(sync_forgets_older_segment) && job->segments.size() > 1)
    job->segments.erase(job->segments.begin());
  unsynced_size = 0;
  ++recent_syncs;
  interval_wanted = false;
  ticks_since_sync = 0;
  if (std::exchange(directory_changed, false)) job->directory = &directory;
  if (TRV_MUTANT(segment_name_not_synced)) job->directory = nullptr;
  job->entries = written_entries;
  job->place = written_place;
  return job;
}

void Journal::State::finish_sync(const std::shared_ptr<SyncJob>& job) {
  if (TRV_MUTANT(sync_error_ignored)) job->result = {};
  if (job->result.ok()) return note_synced(job->entries, job->place);
  // Which names are durable cannot be told any more.
  if (job->directory_failed) return fail(job->result.error());
  take_back(*job);
  if (Status s = rewrite(job->result.error()); !s.ok()) fail(s.error());
}

void Journal::State::note_synced(std::uint64_t entries_count, LanePlace place) {
  synced_entries = entries_count;
  synced_place = place;
  tail.mark_synced(place);
}

// Requires: everything sealed is written; no sync in flight.
void Journal::State::sync_inline() {
  std::shared_ptr<SyncJob> job = make_sync();
  job->run();
  finish_sync(job);
}

void Journal::State::sync_offloaded() {
  sync_job = make_sync();
  std::weak_ptr<bool> guard = life;
  offload([job = sync_job] { job->run(); },
          [this, guard, job = sync_job] {
            if (guard.expired() || sync_job != job) return;
            sync_job.reset();
            finish_sync(job);
            release_due();
            if (phase != Phase::failed) sync_for_waiters();
          });
}

// At most one sync is in flight; the next one covers all that gathered meanwhile.
void Journal::State::sync_for_waiters() {
  if (sync_job || fsync_waiters.empty() || written_entries == synced_entries) return;
  if (fsync_waiters.size() <= options.inline_sync_waiters_max &&
      unsynced_size <= inline_sync_size_max) {
    sync_inline();
    release_due();
  } else {
    sync_offloaded();
  }
}

// After the last entries have been synced no frame says so, and damage to them would look like a
// torn tail. An empty frame says it; it needs no sync of its own.
void Journal::State::write_note() {
  if (!alive() || !active || tail.frame_open() || tail.unwritten_size() > 0) return;
  LanePlace end = tail.entries_end();
  if (tail.told() >= end || synced_place < end || !tail.fits(0)) return;
  tail.append_note(entries, synced_place);
  if (Status s = write(); !s.ok()) fail(s.error());
}

std::deque<Waiter>& Journal::State::queue_of(Durability level) {
  switch (level) {
    case Durability::memory:
      return memory_waiters;
    case Durability::os:
      return os_waiters;
    case Durability::interval:
      return interval_waiters;
    case Durability::fsync:
      break;
  }
  return fsync_waiters;
}

void Journal::State::release(std::deque<Waiter>& queue, std::uint64_t upto) {
  while (!queue.empty() && queue.front().entries <= upto && phase != Phase::failed) {
    Completion done = std::move(queue.front().done);
    queue.pop_front();
    done(Durable());
  }
}

void Journal::State::release_due() {
  release(memory_waiters, entries);
  if (TRV_MUTANT(ack_before_sync)) release(fsync_waiters, written_entries);
  release(os_waiters, written_entries);
  release(interval_waiters, written_entries);
  release(fsync_waiters, synced_entries);
  if (phase == Phase::failed) release_failed();
}

void Journal::State::release_failed() {
  for (auto* queue : {&memory_waiters, &os_waiters, &interval_waiters, &fsync_waiters}) {
    while (!queue->empty()) {
      Completion done = std::move(queue->front().done);
      queue->pop_front();
      done(*failure);
    }
  }
}

bool Journal::State::work_left() const {
  if (phase == Phase::failed) {
    return !memory_waiters.empty() || !os_waiters.empty() || !interval_waiters.empty() ||
           !fsync_waiters.empty();
  }
  auto due = [](const std::deque<Waiter>& queue, std::uint64_t upto) {
    return !queue.empty() && queue.front().entries <= upto;
  };
  return tail.frame_open() || tail.unwritten_size() > 0 || due(memory_waiters, entries) ||
         due(os_waiters, written_entries) || due(interval_waiters, written_entries) ||
         due(fsync_waiters, synced_entries) || (!fsync_waiters.empty() && !sync_job);
}

// --- the door ---------------------------------------------------------------------------------

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(io::Directory& directory, std::uint32_t session,
                                               CoreIndex lane, JournalOptions options,
                                               Offload offload) {
  if (lane.value > lane_max) return Error{Errc::invalid_argument, "a journal lane is 0..255"};
  auto state = std::make_unique<State>(directory, session, lane, options, std::move(offload));
  if (Status s = state->start(); !s.ok()) {
    // A full disk must not keep the process from starting: it can still read and make space.
    if (s.error().code != Errc::no_space) return s.error();
    if (state->spare) state->drop_spare(s.error());
    state->stall(s.error());
  }
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

std::uint32_t Journal::entry_size_max() const {
  return state_->options.segment_size - entry_overhead;
}

BlobRange Journal::append(EntryKind kind, ShardId shard, std::span<const ByteView> parts) {
  State& s = *state_;
  std::uint64_t size = 0;
  for (ByteView part : parts) size += part.size();
  TRV_ASSERT(size <= entry_size_max());
  const std::uint64_t number = s.entries++;
  if (!s.alive()) return {};
  if (!s.active || !s.tail.fits(size)) {
    if (Status rolled = s.roll(); !rolled.ok()) {
      s.fail(rolled.error());
      return {};
    }
  }
  BlobRange where = s.tail.append(kind, shard, parts, number, s.synced_place);
  if (s.tail.unwritten_size() >= s.options.unwritten_size_max) {
    if (Status written = s.write(); !written.ok()) s.fail(written.error());
  }
  return where;
}

Ticket Journal::tail() const { return {state_->entries}; }

void Journal::when(Ticket ticket, Durability level, Completion done) {
  TRV_ASSERT(ticket.entries <= state_->entries);
  if (level >= Durability::interval) state_->interval_wanted = true;
  std::deque<Waiter>& queue = state_->queue_of(level);
  auto at = queue.end();
  while (at != queue.begin() && std::prev(at)->entries > ticket.entries) --at;
  queue.insert(at, {ticket.entries, std::move(done)});
}

bool Journal::reached(Ticket ticket, Durability level) const {
  return ticket.entries <=
         (level == Durability::fsync ? state_->synced_entries : state_->written_entries);
}

void Journal::flush() {
  State& s = *state_;
  if (s.flushing) return;  // the outer flush goes round again
  s.flushing = true;
  for (int pass = 0; pass < flush_passes_max && (pass == 0 || s.work_left()); ++pass) {
    if (s.alive()) {
      s.tail.seal(s.synced_place, FrameEnd::ends_round);
      if (Status written = s.write(); !written.ok()) s.fail(written.error());
    }
    s.release_due();
    if (s.alive()) s.sync_for_waiters();
    if (s.phase == State::Phase::closed) s.release_failed();
  }
  s.flushing = false;
}

void Journal::tick() {
  flush();
  State& s = *state_;
  if (!s.alive()) return;
  s.revive();
  ++s.ticks_since_sync;
  bool due = s.interval_wanted || s.ticks_since_sync >= s.options.lazy_sync_ticks;
  if (!s.sync_job && s.written_entries > s.synced_entries && due) s.sync_offloaded();
  s.write_note();
  while (s.recent_syncs > recent_syncs_max) {
    s.recent_syncs /= 2;
    s.recent_written /= 2;
  }
  s.write_zeroes();
}

bool Journal::writable() const { return state_->phase == State::Phase::open; }

std::uint64_t Journal::room() const {
  const State& s = *state_;
  if (!s.alive()) return 0;
  // Not the sum: an entry that does not fit into what is left of one segment goes to the next.
  std::uint64_t spare = s.spare ? s.spare->header.size - segment_header_size : 0;
  return std::max(spare, s.active ? s.tail.room() : 0);
}

const Error& Journal::failure() const {
  TRV_ASSERT(state_->failure.has_value());
  return *state_->failure;
}

namespace {

// `read(file, into)` fills `into`, or answers false: Result<bool>.
template <class Read>
Result<std::optional<Journal::Blob>> read_new(const Result<std::shared_ptr<io::File>>& file,
                                              std::size_t size, Read read) {
  using Found = std::optional<Journal::Blob>;
  if (!file.ok()) return file.error();
  std::shared_ptr<char[]> bytes(new char[size]);
  const Result<bool> done = read(**file, std::span<char>(bytes.get(), size));
  if (!done.ok()) return done.error();
  if (!*done) return Found();
  return Found(Journal::Blob{Slice(bytes, std::string_view(bytes.get(), size))});
}

}  // namespace

Result<Journal::Blob> Journal::read(BlobRange where) {
  if (std::optional<Slice> cached = state_->tail.find(where)) return Blob{std::move(*cached), true};
  auto found = read_new(file_of(where), where.length,
                        [&where](io::File& file, std::span<char> into) -> Result<bool> {
                          Status status = file.read_at(where.position, into);
                          if (!status.ok()) return status.error();
                          return true;
                        });
  if (!found.ok()) return found.error();
  return std::move(**found);
}

Result<std::optional<Journal::Blob>> Journal::try_read(BlobRange where) {
  if (std::optional<Slice> cached = state_->tail.find(where)) {
    return std::optional(Blob{std::move(*cached), true});
  }
  return read_new(file_of(where), where.length, [&where](io::File& file, std::span<char> into) {
    return file.try_read_at(where.position, into);
  });
}

Result<std::shared_ptr<io::File>> Journal::file_of(BlobRange where) {
  State& s = *state_;
  std::shared_ptr<io::File> file;
  if (s.active && s.active->header.id.blob() == where.blob) {
    file = s.active->file;
  } else {
    Result<std::shared_ptr<io::File>> opened = s.files.open_for_read(where.blob);
    if (!opened.ok()) return opened.error();
    file = *opened;
  }
  Result<std::uint64_t> size = file->size();
  if (!size.ok()) return size.error();
  if (std::uint64_t{where.position} + where.length > *size) {
    return Error{Errc::out_of_range, "the range lies beyond the segment's end"};
  }
  return file;
}

void Journal::forget_unless(const std::function<bool(std::uint64_t)>& wanted) {
  state_->files.close_unless(wanted);
}

std::uint64_t Journal::active_segment() const {
  return state_->active ? state_->active->header.id.blob() : 0;
}

Result<Journal::End> Journal::close() {
  State& s = *state_;
  flush();
  if (std::shared_ptr<SyncJob> job = std::exchange(s.sync_job, nullptr)) {
    job->run();
    job->claim.wait();
    s.finish_sync(job);
  }
  if (s.alive() && s.written_entries > s.synced_entries) s.sync_inline();
  s.write_note();
  if (s.alive() && !s.unsynced_segments.empty()) s.sync_inline();
  s.release_due();
  if (Status spare = s.finish_spare_job(); !spare.ok() && s.spare) s.files.discard(*s.spare);
  s.spare.reset();
  if (s.phase == State::Phase::failed) return *s.failure;
  s.phase = State::Phase::closed;
  s.failure = Error{Errc::closed, "the journal is closed"};
  s.release_failed();
  return End{s.synced_place.number, s.synced_place.position, s.synced_entries};
}

}  // namespace trv::storage
