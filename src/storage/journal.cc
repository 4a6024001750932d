#include "storage/journal.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "storage/segment_files.h"
#include "storage/tail.h"

namespace trv::storage {
namespace {

// A sync of more than this takes longer than handing it to another thread.
constexpr std::uint64_t inline_sync_size_max = 32u << 10;
// Completions may append more; a flush serves them too, this often.
constexpr int flush_passes_max = 8;
// Zeroes written ahead make each sync cheaper but are a second write of every byte: they pay while
// syncs cover less than this on average.
constexpr std::uint64_t warm_sync_size_max = 64u << 10;
constexpr std::uint64_t recent_syncs_max = 64;
constexpr std::uint32_t small_segment_divisor = 8;
// What a segment holds besides the payload of its only entry, generously.
constexpr std::uint32_t entry_overhead = segment_header_size + 128;
static_assert(Journal::entry_overhead_max >=
              frame_header_size + entry_header_size + frame_alignment);

struct Waiter {
  std::uint64_t entries;
  Completion done;
};

// One sync of everything written so far, by whichever thread gets to it.
struct SyncJob {
  io::Claim claim;
  std::vector<std::shared_ptr<io::File>> files;
  io::Directory* directory = nullptr;  // when its names have changed
  // What is durable when it succeeds.
  std::uint64_t entries = 0;
  LanePlace place;
  Status result;

  void run() {
    if (!claim.try_take()) return;
    for (const auto& file : files) {
      if (result.ok()) result = file->sync();
    }
    if (result.ok() && directory != nullptr) result = directory->sync();
    claim.finish();
  }
};

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

struct Journal::State {
  enum class Phase : std::uint8_t {
    open,
    stalled,  // the next segment cannot be reserved: `failure` says why; ends when it can
    failed,   // for good: `failure` says why
    closed,   // for good
  };

  State(io::Directory& d, std::uint32_t session_number, CoreIndex core, JournalOptions o, Offload f)
      : directory(d),
        session(session_number),
        lane(static_cast<std::uint8_t>(core.value)),
        options(checked(o)),
        offload(f ? std::move(f) : Offload(run_here)),
        files(d),
        tail(options.cache_size) {}
  ~State();

  // Segments.
  SegmentId next_id() const { return {session, lane, segment_count}; }
  Status start();
  Status reserve_first();
  Status reserve_spare();
  Status adopt_spare();
  Status finish_spare_job();
  bool warming_pays() const { return recent_written / warm_sync_size_max < recent_syncs; }
  void start_spare_job(std::shared_ptr<SpareJob> job);
  void on_spare_job_done(const std::shared_ptr<SpareJob>& job);
  void drop_spare(const Error& why);
  void stall(const Error& why);
  void revive();
  Status roll();
  bool alive() const { return phase == Phase::open || phase == Phase::stalled; }
  void fail(const Error& why);

  // Writing and syncing.
  Status write();
  std::shared_ptr<SyncJob> make_sync();
  void finish_sync(const std::shared_ptr<SyncJob>& job);
  void sync_inline();
  void sync_offloaded();
  void sync_for_waiters();
  void write_note();
  void release_due();
  void release(std::deque<Waiter>& queue, std::uint64_t entries);
  void release_failed();
  bool work_left() const;
  std::deque<Waiter>& queue_of(Durability level);

  io::Directory& directory;
  const std::uint32_t session;
  const std::uint8_t lane;
  const JournalOptions options;
  Offload offload;
  SegmentFiles files;
  Tail tail;

  Phase phase = Phase::open;
  std::optional<Error> failure;
  // Dies with this; jobs that come back later find nobody.
  std::shared_ptr<bool> life = std::make_shared<bool>(true);

  std::optional<SegmentFile> active;
  std::vector<SegmentFile> unwritten_files;  // left behind by rolls, with bytes still to write
  std::uint32_t segment_count = 0;           // adopted in this session
  std::optional<SegmentFiles::Spare> spare;
  std::shared_ptr<SpareJob> spare_job;  // in flight, or null

  std::uint64_t entries = 0;  // appended
  std::uint64_t written_entries = 0;
  std::uint64_t synced_entries = 0;
  LanePlace written_place;
  LanePlace synced_place;
  std::uint64_t unsynced_size = 0;
  std::vector<std::shared_ptr<io::File>> unsynced_files;
  bool directory_changed = false;
  // Bytes written and syncs lately.
  std::uint64_t recent_written = 0;
  std::uint64_t recent_syncs = 0;
  bool interval_wanted = false;  // something since the last sync is to survive a power failure
  int ticks_since_sync = 0;
  std::shared_ptr<SyncJob> sync_job;  // in flight, or null

  std::deque<Waiter> memory_waiters;
  std::deque<Waiter> os_waiters;
  std::deque<Waiter> interval_waiters;
  std::deque<Waiter> fsync_waiters;
  bool flushing = false;
};

Journal::State::~State() {
  // A job that has not begun is called off; one that has must end before the directory goes away.
  if (spare_job && !spare_job->claim.try_take()) spare_job->claim.wait();
  if (sync_job && !sync_job->claim.try_take()) sync_job->claim.wait();
}

// --- segments ---------------------------------------------------------------------------------

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

// On a full disk a small one may still find room: enough for acknowledgements and deletes. The
// journal stays stalled with it, since nothing can be reserved behind it.
Status Journal::State::reserve_first() {
  Status s = reserve_spare();
  if (s.ok() || s.error().code != Errc::no_space) return s;
  std::uint32_t small = std::max(options.segment_size / small_segment_divisor, segment_size_min);
  Result<SegmentFiles::Spare> reserved = files.reserve(next_id(), small);
  if (!reserved.ok()) return reserved.error();
  spare = std::move(*reserved);
  start_spare_job(files.header_job(*spare));
  return {};
}

Status Journal::State::reserve_spare() {
  if (segment_count > segment_number_max) {
    return Error{Errc::overloaded, "the lane has used up its segment numbers; restart"};
  }
  Result<SegmentFiles::Spare> reserved = files.reserve(next_id(), options.segment_size);
  if (!reserved.ok()) return reserved.error();
  spare = std::move(*reserved);
  start_spare_job(files.header_job(*spare));
  return {};
}

void Journal::State::start_spare_job(std::shared_ptr<SpareJob> job) {
  spare_job = job;
  if (segment_count == 0) return;  // the first one: start() does it at once
  std::weak_ptr<bool> guard = life;
  offload([job] { job->run(); },
          [this, guard, job] {
            if (!guard.expired()) on_spare_job_done(job);
          });
}

void Journal::State::on_spare_job_done(const std::shared_ptr<SpareJob>& job) {
  if (spare_job != job) return;
  spare_job.reset();
  if (!job->result.ok() && spare) drop_spare(job->result.error());
}

// Its header is durable afterwards. Zeroes that nobody has begun to write are left out.
Status Journal::State::finish_spare_job() {
  std::shared_ptr<SpareJob> job = std::exchange(spare_job, nullptr);
  if (!job) return {};
  if (job->header.empty() && job->claim.try_take()) {
    job->claim.finish();
    return {};
  }
  job->run();
  job->claim.wait();
  return job->result;
}

void Journal::State::drop_spare(const Error& why) {
  files.discard(*spare);
  spare.reset();
  stall(why);
}

// Requires: its job is finished, well.
Status Journal::State::adopt_spare() {
  if (Status s = files.adopt(*spare); !s.ok()) return s;
  directory_changed = true;
  if (active && tail.unwritten_size() > 0) unwritten_files.push_back(*active);
  active = spare->segment;
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
  if (!spare) return failure ? *failure : Error{Errc::no_space, "no segment is reserved"};
  if (Status s = finish_spare_job(); !s.ok()) {
    // The one file failed, not yet the disk: one more try.
    drop_spare(s.error());
    s = reserve_spare();
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

// --- writing and syncing ----------------------------------------------------------------------

Status Journal::State::write() {
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
    if (Status s = segment->file->write_at(bytes.position, bytes.parts); !s.ok()) return s;
    if (unsynced_files.empty() || unsynced_files.back() != segment->file) {
      unsynced_files.push_back(segment->file);
    }
    unsynced_size += bytes.size;
    recent_written += bytes.size;
    tail.mark_written();
  }
  unwritten_files.clear();
  written_place = {tail.segment().number, tail.position()};
  if (!tail.frame_open()) written_entries = entries;
  return {};
}

std::shared_ptr<SyncJob> Journal::State::make_sync() {
  auto job = std::make_shared<SyncJob>();
  job->files = std::move(unsynced_files);
  unsynced_files.clear();
  unsynced_size = 0;
  ++recent_syncs;
  interval_wanted = false;
  ticks_since_sync = 0;
  if (std::exchange(directory_changed, false)) job->directory = &directory;
  job->entries = written_entries;
  job->place = written_place;
  return job;
}

void Journal::State::finish_sync(const std::shared_ptr<SyncJob>& job) {
  if (!job->result.ok()) {
    fail(job->result.error());
    return;
  }
  synced_entries = job->entries;
  synced_place = job->place;
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
  if (s.spare && !s.spare_job && s.alive() && s.warming_pays()) {
    if (std::shared_ptr<SpareJob> job = s.files.warm_job(*s.spare)) s.start_spare_job(job);
  }
}

bool Journal::writable() const { return state_->phase == State::Phase::open; }

std::uint64_t Journal::room() const {
  const State& s = *state_;
  if (!s.alive()) return 0;
  // Not the sum: an entry that does not fit into what is left of one segment goes to the next.
  std::uint64_t spare = s.spare ? s.spare->segment.header.size - segment_header_size : 0;
  return std::max(spare, s.active ? s.tail.room() : 0);
}

const Error& Journal::failure() const {
  TRV_ASSERT(state_->failure.has_value());
  return *state_->failure;
}

Result<Journal::Blob> Journal::read(BlobRange where) {
  State& s = *state_;
  if (std::optional<Slice> cached = s.tail.find(where)) return Blob{std::move(*cached), true};
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
  std::shared_ptr<char[]> bytes(new char[where.length]);
  std::span<char> into(bytes.get(), where.length);
  if (Status status = file->read_at(where.position, into); !status.ok()) return status.error();
  return Blob{Slice(bytes, std::string_view(bytes.get(), where.length))};
}

std::uint64_t Journal::active_segment() const {
  return state_->active ? state_->active->header.id.blob() : 0;
}

Status Journal::close() {
  State& s = *state_;
  flush();
  if (std::shared_ptr<SyncJob> job = std::exchange(s.sync_job, nullptr)) {
    job->run();
    job->claim.wait();
    s.finish_sync(job);
  }
  if (s.alive() && s.written_entries > s.synced_entries) s.sync_inline();
  s.write_note();
  if (s.alive() && !s.unsynced_files.empty()) s.sync_inline();
  s.release_due();
  if (Status spare = s.finish_spare_job(); !spare.ok() && s.spare) s.files.discard(*s.spare);
  s.spare.reset();
  if (s.phase == State::Phase::failed) return *s.failure;
  s.phase = State::Phase::closed;
  s.failure = Error{Errc::closed, "the journal is closed"};
  s.release_failed();
  return {};
}

}  // namespace trv::storage
