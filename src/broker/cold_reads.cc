#include "broker/cold_reads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/mutant.h"
#include "broker/broker.h"
#include "io/file.h"

namespace trv::broker {
namespace {

// Places that lie near each other are read at once, with what lies between.
constexpr std::uint64_t gap_max = 64u << 10;
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

}  // namespace

struct ColdReads::Job {
  std::vector<Extent> extents;
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
  auto job = std::make_shared<Job>();
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
  auto job = std::make_shared<Job>();
  for (const BlobRange& where : window.places) {
    if (!add(job, where)) break;
  }
  ahead_.push_back(std::move(job));
  if (!window.last) {
    note_mark(place_of(window.places[window.places.size() / 2]), window.resume);
  }
  start_more();
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

void ColdReads::start_more() {
  while (!needed_.empty() && under_way_ < under_way_max) {
    JobPtr job = std::move(needed_.front());
    needed_.pop_front();
    start(job, false);
  }
  while (!ahead_.empty() && under_way_ < under_way_max &&
         ahead_under_way_.size() < ahead_under_way_max) {
    JobPtr job = std::move(ahead_.front());
    ahead_.pop_front();
    start(job, true);
  }
}

void ColdReads::start(const JobPtr& job, bool ahead) {
  ++under_way_;
  if (ahead) ahead_under_way_.push_back(job);
  std::weak_ptr<bool> guard = life_;
  offload_([job] { job->run(); },
           [this, guard, job, ahead] {
             if (guard.expired()) return;
             --under_way_;
             if (ahead) std::erase(ahead_under_way_, job);
             finish(job);
             start_more();
           });
}

void ColdReads::finish(const JobPtr& job) {
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
