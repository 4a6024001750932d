#include "broker/trial.h"

#include <algorithm>

#include "base/assert.h"
#include "broker/broker.h"
#include "broker/cold_reads.h"
#include "broker/detail/topics_state.h"

namespace trv::broker {
namespace {

// How many records of a batch a range has: of its first one that is not known, so half of them.
std::size_t wanted_of(const model::BatchEntry& entry, bool first) {
  const auto kept = static_cast<std::size_t>(std::max(entry.kept, 0));
  return first ? kept / 2 : kept;
}

}  // namespace

Trial::Trial(Broker& broker, int tries) : broker_(broker) {
  const int growths = 2 * std::min(tries, growths_max);
  places_max_ = places_first_max << growths;
  size_max_ = size_first_max << growths;
  broker_.cold_reads().begin_trial(*this);
}

Trial::~Trial() { broker_.cold_reads().end_trial(*this); }

void Trial::stop() {
  TRV_ASSERT(!met_cold());
  broker_.cold_reads().end_trial(*this);
}

Result<storage::Journal::Blob> Trial::read(BlobRange where) {
  auto there = broker_.try_read_blob(where);
  if (!there) return there.error();
  if (*there) return std::move(**there);
  note(where);
  return Error{Errc::overloaded, "not in memory"};
}

void Trial::note(BlobRange where) {
  met_cold_ = true;
  if (!may_note()) return;
  size_ += where.length;
  if (!places_.empty()) {
    BlobRange& last = places_.back();
    const std::uint64_t last_end = std::uint64_t{last.position} + last.length;
    const bool near = last.blob == where.blob && where.position >= last.position &&
                      where.position <= last_end + ColdReads::gap_max;
    if (near) {
      const std::uint64_t end = std::uint64_t{where.position} + where.length;
      last.length = static_cast<std::uint32_t>(std::max(last_end, end) - last.position);
      return;
    }
  }
  places_.push_back(where);
}

void Trial::note_range(const Topic& topic, const Range& range) {
  model::FoundBatch entry = topic.state.batch_near(range.first);
  std::size_t left = range.count;
  for (bool first = true; entry && left > 0 && may_note(); first = false) {
    if (entry->first_id > range.last) return;
    if (!entry->hidden()) {
      note(entry->blob);
      left -= std::min(left, wanted_of(*entry, first));
    }
    entry = topic.state.next(*entry);
  }
  Topics::State::read_ahead(broker_, topic, entry, &model::Topic::next);
}

void Trial::note_range_back(const Topic& topic, const Range& range) {
  model::FoundBatch entry = topic.state.batch_near(range.last);
  std::size_t left = range.count;
  for (bool first = true; entry && left > 0 && may_note(); first = false) {
    if (!entry->hidden()) {
      note(entry->blob);
      left -= std::min(left, wanted_of(*entry, first));
    }
    if (entry->first_id <= range.first) return;
    entry = topic.state.previous(*entry);
  }
  Topics::State::read_ahead(broker_, topic, entry, &model::Topic::previous);
}

}  // namespace trv::broker
