#include "broker/cold_reads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"
#include "broker/broker.h"
#include "broker/trial.h"
#include "io/file.h"

namespace trv::broker {
namespace {

constexpr std::size_t piece_size = 256u << 10;

struct Extent {
  std::shared_ptr<io::File> file;  // shared with the journal that has it open
  std::uint64_t blob = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// What is read goes nowhere: it is in the kernel's memory by then. So do errors, which the reader
// meets when it reads for itself.
void read_through(const Extent& extent, std::span<char> piece) {
  for (std::uint64_t at = extent.begin; at < extent.end;) {
    const std::uint64_t size = std::min<std::uint64_t>(piece.size(), extent.end - at);
    if (!extent.file->read_at(at, piece.first(static_cast<std::size_t>(size))).ok()) return;
    at += size;
  }
}

// What is fetched is cut into pieces of so much, from so many places.
constexpr std::uint32_t fetched_size_max = 1u << 20;
constexpr std::size_t fetched_places_max = 4;

}  // namespace

// Shared with who waits for it only: its pieces know whether it is still wanted.
struct ColdReads::Fetch {
  std::vector<BlobRange> places;
  std::size_t next = 0;  // of places
  std::size_t under_way = 0;
  UniqueFunction<void()> done;
};

struct ColdReads::Job {
  enum class Kind : std::uint8_t {
    needed,  // somebody waits for it
    ahead,   // in advance
    piece,   // of what is fetched
  };

  explicit Job(Kind k) : kind(k) {}

  Kind kind;
  std::vector<Extent> extents;
  std::weak_ptr<Fetch> fetch;  // of a piece
  // Of a needed one.
  std::optional<Place> place;
  std::vector<UniqueFunction<void()>> waiters;

  bool covers(const BlobRange& where) const {
    return std::any_of(extents.begin(), extents.end(), [&where](const Extent& extent) {
      return extent.blob == where.blob && where.position >= extent.begin &&
             where.position < extent.end;
    });
  }
  // Where it may block.
  void run() const {
    auto piece = std::make_unique<std::array<char, piece_size>>();
    for (const Extent& extent : extents) read_through(extent, *piece);
  }
};

ColdReads::ColdReads(Broker& broker)
    : broker_(broker),
      offload_([&broker](UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
        broker.core().offload(std::move(blocking), std::move(done));
      }) {}

ColdReads::~ColdReads() = default;

Result<std::optional<storage::Journal::Blob>> ColdReads::try_read(BlobRange where) {
  auto there = broker_.try_read_blob(where);
  if (!there) return there;
  if (*there) {
    if (!(*there)->from_memory && !waited_for_.empty()) waited_for_.erase(place_of(where));
    return there;
  }
  if (TRV_MUTANT(waited_for_read_refused) || waited_for_.erase(place_of(where)) == 0) return there;
  Result<storage::Journal::Blob> waited = broker_.read_blob(where);
  if (!waited) return waited.error();
  return std::optional<storage::Journal::Blob>(std::move(*waited));
}

// False when it cannot be told where the bytes are: whoever reads them is told why.
bool ColdReads::add(const JobPtr& job, const BlobRange& where) {
  const std::uint64_t end = std::uint64_t{where.position} + where.length;
  if (!job->extents.empty()) {
    Extent& last = job->extents.back();
    if (last.blob == where.blob && where.position >= last.begin &&
        where.position <= last.end + gap_max) {
      last.end = std::max(last.end, end);
      return true;
    }
  }
  Result<std::shared_ptr<io::File>> file = broker_.file_of(where);
  if (!file) return false;
  job->extents.push_back({std::move(*file), where.blob, where.position, end});
  return true;
}

void ColdReads::begin(BlobRange needed) {
  if (needed_.size() >= needed_max || by_place_.contains(place_of(needed))) return;
  auto job = std::make_shared<Job>(Job::Kind::needed);
  job->place = place_of(needed);
  (void)add(job, needed);  // nothing to read: it ends at once
  by_place_.emplace(*job->place, job);
  needed_.push_back(std::move(job));
  start_more();
}

bool ColdReads::wants_window(BlobRange where) const {
  auto covers = [where](const JobPtr& job) { return job->covers(where); };
  return ahead_.size() < ahead_max && std::none_of(ahead_.begin(), ahead_.end(), covers) &&
         std::none_of(ahead_under_way_.begin(), ahead_under_way_.end(), covers);
}

void ColdReads::begin_ahead(const Window& window) {
  if (window.places.empty()) return;
  auto job = std::make_shared<Job>(Job::Kind::ahead);
  for (const BlobRange& where : window.places) {
    if (!add(job, where)) break;
  }
  ahead_.push_back(std::move(job));
  if (!window.last) {
    note_mark(place_of(window.places[window.places.size() / 2]), window.resume);
  }
  // What a trial lacks comes first.
  if (!trial_) start_more();
}

void ColdReads::wait(BlobRange where, UniqueFunction<void()> done) {
  auto it = by_place_.find(place_of(where));
  if (it != by_place_.end()) {
    it->second->waiters.push_back(std::move(done));
  } else if (needed_.size() >= needed_max) {
    room_waiters_.push_back(std::move(done));
  } else {
    broker_.core().post(std::move(done));
  }
}

std::shared_ptr<ColdReads::Fetch> ColdReads::fetch(std::vector<BlobRange> places,
                                                   UniqueFunction<void()> done) {
  TRV_ASSERT(!places.empty());
  auto fetch = std::make_shared<Fetch>();
  fetch->places = std::move(places);
  fetch->done = std::move(done);
  fetches_.push_back(fetch);
  start_more();
  return fetch;
}

void ColdReads::start_more() {
  while (!needed_.empty() && under_way_ < under_way_max) {
    JobPtr job = std::move(needed_.front());
    needed_.pop_front();
    start(job);
  }
  start_fetches();
  while (!ahead_.empty() && under_way_ < under_way_max &&
         ahead_under_way_.size() < ahead_under_way_max) {
    JobPtr job = std::move(ahead_.front());
    ahead_.pop_front();
    start(job);
  }
}

void ColdReads::start_fetches() {
  while (!fetches_.empty() && under_way_ < under_way_max &&
         fetches_under_way_ < fetches_under_way_max) {
    std::shared_ptr<Fetch> fetch = fetches_.front().lock();
    fetches_.pop_front();
    if (!fetch) continue;
    auto job = std::make_shared<Job>(Job::Kind::piece);
    job->fetch = fetch;
    std::uint32_t left = fetched_size_max;
    for (std::size_t count = 0; count < fetched_places_max && left > 0; ++count) {
      if (fetch->next == fetch->places.size()) break;
      BlobRange& where = fetch->places[fetch->next];
      const std::uint32_t size = std::min(where.length, left);
      (void)add(job, {where.blob, where.position, size});  // who wants it is told why
      where.position += size;
      where.length -= size;
      left -= size;
      if (where.length == 0) ++fetch->next;
    }
    // Those of others come first now.
    if (fetch->next < fetch->places.size()) fetches_.push_back(fetch);
    ++fetch->under_way;
    start(job);
  }
}

void ColdReads::start(const JobPtr& job) {
  ++under_way_;
  if (job->kind == Job::Kind::ahead) ahead_under_way_.push_back(job);
  if (job->kind == Job::Kind::piece) ++fetches_under_way_;
  std::weak_ptr<bool> guard = life_;
  offload_([job] { job->run(); },
           [this, guard, job] {
             if (guard.expired()) return;
             --under_way_;
             if (job->kind == Job::Kind::ahead) std::erase(ahead_under_way_, job);
             if (job->kind == Job::Kind::piece) --fetches_under_way_;
             finish(job);
             start_more();
           });
}

void ColdReads::end_piece(const JobPtr& job) {
  std::shared_ptr<Fetch> fetch = job->fetch.lock();
  if (!fetch) return;
  const bool last = --fetch->under_way == 0 && fetch->next == fetch->places.size();
  if (last) std::exchange(fetch->done, {})();
}

void ColdReads::begin_trial(Trial& trial) {
  TRV_ASSERT(trial_ == nullptr);
  trial_ = &trial;
}

void ColdReads::end_trial(const Trial& trial) {
  if (trial_ != &trial) return;
  trial_ = nullptr;
  if (!trial.met_cold()) start_more();
}

void ColdReads::finish(const JobPtr& job) {
  if (job->kind == Job::Kind::piece) return end_piece(job);
  if (job->place) {
    by_place_.erase(*job->place);
    if (!job->waiters.empty()) note_waited_for(*job->place);
  }
  std::vector<UniqueFunction<void()>> waiters = std::exchange(job->waiters, {});
  if (needed_.size() < needed_max) {
    std::vector<UniqueFunction<void()>> more = std::exchange(room_waiters_, {});
    std::move(more.begin(), more.end(), std::back_inserter(waiters));
  }
  for (UniqueFunction<void()>& done : waiters) done();
}

void ColdReads::note_waited_for(Place place) {
  if (waited_for_.insert(place).second) waited_for_order_.push_back(place);
  if (waited_for_order_.size() <= remembered_max) return;
  waited_for_.erase(waited_for_order_.front());
  waited_for_order_.pop_front();
}

void ColdReads::note_mark(Place place, Sequence resume) {
  if (marks_.insert_or_assign(place, resume).second) marks_order_.push_back(place);
  if (marks_order_.size() <= remembered_max) return;
  marks_.erase(marks_order_.front());
  marks_order_.pop_front();
}

std::optional<Sequence> ColdReads::take_mark(BlobRange where) {
  if (marks_.empty()) return std::nullopt;
  auto it = marks_.find(place_of(where));
  if (it == marks_.end()) return std::nullopt;
  const Sequence resume = it->second;
  marks_.erase(it);
  return resume;
}

}  // namespace trv::broker
