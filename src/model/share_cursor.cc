#include "model/share_cursor.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::model {
namespace {

enum class Op : std::uint8_t { start = 1, outcomes = 2, forget = 3, restore = 4 };

// Records that come back in one range, at most: more were never out at a time.
constexpr std::uint64_t returned_max = 1u << 16;

Sequence place(Offset offset) { return Sequence(offset.value); }
Offset offset(Sequence place) { return Offset(place.value); }

// Adds a range, to the one before when it goes on from there.
void add_outcome(ShareOutcomes& outcomes, const ShareOutcome& outcome) {
  if (!outcomes.empty() && outcomes.back().end == outcome.first &&
      outcomes.back().deliveries == outcome.deliveries) {
    outcomes.back().end = outcome.end;
  } else {
    outcomes.push_back(outcome);
  }
}

void write_outcomes(ByteWriter& out, std::span<const ShareOutcome> outcomes) {
  std::int64_t at = 0;
  for (const ShareOutcome& outcome : outcomes) {
    out.varint(static_cast<std::uint64_t>(outcome.first.value - at));
    out.varint(static_cast<std::uint64_t>(outcome.end - outcome.first));
    out.varint(outcome.deliveries);
    at = outcome.end.value;
  }
}

// Fails the reader when they are not what write_outcomes() writes.
ShareOutcomes read_outcomes(ByteReader& in) {
  constexpr auto offset_max = static_cast<std::uint64_t>(INT64_MAX);
  ShareOutcomes outcomes;
  std::uint64_t at = 0;
  while (in.ok() && in.remaining() > 0) {
    std::uint64_t distance = in.varint();
    std::uint64_t length = in.varint();
    std::uint64_t deliveries = in.varint();
    const bool fits = distance <= offset_max - at && length <= offset_max - at - distance;
    if (!fits || length == 0 || deliveries > UINT16_MAX ||
        (deliveries > 0 && length > returned_max)) {
      in.fail();
      break;
    }
    std::uint64_t first = at + distance;
    at = first + length;
    outcomes.push_back({Offset(static_cast<std::int64_t>(first)),
                        Offset(static_cast<std::int64_t>(at)),
                        static_cast<std::uint32_t>(deliveries)});
  }
  return outcomes;
}

// Whether a cursor's state could be one of ours: a floor, then ascending ranges above it.
bool is_state(ByteView bytes) {
  ByteReader in(bytes);
  std::int64_t at = in.varint_signed();
  if (at < 0) return false;
  in.varint_signed();
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::int64_t first = in.varint_signed();
    std::int64_t end = in.varint_signed();
    if (first <= at || end <= first) return false;
    at = end;
  }
  return in.done();
}

void begin(ByteWriter& out, Op op, std::string_view group) {
  out.u8(static_cast<std::uint8_t>(op));
  out.sized(group);
}

}  // namespace

std::optional<Offset> ShareCursor::first_ready(Offset end) const {
  std::optional<Sequence> ready = places_.first_ready(place(end));
  if (!ready || *ready >= place(end)) return std::nullopt;
  return offset(*ready);
}

std::uint64_t ShareCursor::unsettled_count(Offset first, Offset end) const {
  first = std::max(first, start());
  if (first >= end) return 0;
  return static_cast<std::uint64_t>(end - first) - places_.settled_count(place(first), place(end));
}

void ShareCursor::pass_over(Offset first, Offset end) {
  Sequence at = place(first);
  while (at < place(end)) {
    if (at >= places_.next()) {
      places_.apply_settle_range(at, place(end));
      return;
    }
    if (!places_.is_ready(at)) {
      ++at;
      continue;
    }
    Sequence run_end = std::min(places_.released_end(at), place(end));
    places_.apply_settle_range(at, run_end);
    at = run_end;
  }
}

ShareCursor::LockId ShareCursor::open_lock(std::string_view member, Moment until) {
  LockId id(next_lock_++);
  locks_.emplace(id, Lock{std::string(member), until});
  return id;
}

std::size_t ShareCursor::acquire(LockId lock, Offset first, Offset end, std::size_t count_max,
                                 std::size_t range_max, std::vector<Acquired>& acquired) {
  count_max = std::min(count_max, locked_max - std::min(locked_max, locked_count()));
  std::size_t count = 0;
  for (Sequence at = place(first); at < place(end) && count < count_max; ++at) {
    if (!places_.is_ready(at)) continue;
    QueueCursor::Taken taken = places_.take(at, lock);
    ++count;
    const bool goes_on = !acquired.empty() && acquired.back().last + 1 == offset(at) &&
                         acquired.back().deliveries == taken.delivery_count &&
                         static_cast<std::size_t>(offset(at) - acquired.back().first) < range_max;
    if (goes_on) {
      acquired.back().last = offset(at);
    } else {
      acquired.push_back({offset(at), offset(at), taken.delivery_count});
    }
  }
  locks_.at(lock).count += count;
  return count;
}

void ShareCursor::close_lock(LockId lock) {
  auto it = locks_.find(lock);
  if (it != locks_.end() && it->second.count == 0) locks_.erase(it);
}

std::optional<Moment> ShareCursor::next_deadline() const {
  std::optional<Moment> next;
  for (const auto& [id, lock] : locks_) {
    if (!next || lock.until < *next) next = lock.until;
  }
  return next;
}

void ShareCursor::add_returned(ShareOutcomes& outcomes, Sequence at, const Outstanding& out) {
  std::uint32_t deliveries = out.past.deliveries + 1;
  if (deliveries >= deliveries_max && !TRV_MUTANT(share_deliveries_without_end)) deliveries = 0;
  add_outcome(outcomes, {offset(at), offset(at + 1), deliveries});
}

std::optional<ShareOutcomes> ShareCursor::outcomes_of(std::string_view member,
                                                      std::span<const Ack> acks) const {
  ShareOutcomes outcomes;
  for (const Ack& ack : acks) {
    Sequence at = std::max(place(ack.first), places_.floor());
    for (const auto& [sequence, out] : places_.outstanding_in(at, place(ack.end))) {
      auto lock = locks_.find(out.consumer);
      const bool own = lock != locks_.end() && lock->second.member == member;
      if (sequence != at || (!own && !TRV_MUTANT(anyone_acknowledges_shared))) return std::nullopt;
      if (ack.as == Ack::As::settled) {
        add_outcome(outcomes, {offset(at), offset(at + 1), 0});
      } else if (ack.as == Ack::As::released) {
        add_returned(outcomes, at, out);
      }
      ++at;
    }
    if (at < place(ack.end)) return std::nullopt;
  }
  return outcomes;
}

void ShareCursor::leave_lock(LockId lock) {
  auto it = locks_.find(lock);
  if (it != locks_.end() && --it->second.count == 0) locks_.erase(it);
}

void ShareCursor::renew(std::string_view member, std::span<const Ack> acks, Moment until) {
  if (TRV_MUTANT(share_renewal_forgotten)) return;
  const LockId lock = open_lock(member, until);
  for (const Ack& ack : acks) {
    if (ack.as != Ack::As::renewed) continue;
    Sequence first = std::max(place(ack.first), places_.floor());
    for (const auto& [at, out] : places_.outstanding_in(first, place(ack.end))) {
      leave_lock(out.consumer);
      places_.hand_over(at, lock);
      ++locks_.at(lock).count;
    }
  }
  close_lock(lock);
}

ShareOutcomes ShareCursor::returned(const std::function<bool(const Lock&)>& chosen) const {
  ShareOutcomes outcomes;
  for (const auto& [at, out] : places_.outstanding_in(places_.floor(), places_.next())) {
    auto lock = locks_.find(out.consumer);
    if (lock != locks_.end() && chosen(lock->second)) add_returned(outcomes, at, out);
  }
  return outcomes;
}

ShareOutcomes ShareCursor::outcomes_of_leaving(std::string_view member) const {
  return returned([member](const Lock& lock) { return lock.member == member; });
}

ShareOutcomes ShareCursor::outcomes_of_overdue(Moment now) const {
  if (TRV_MUTANT(share_lock_for_ever)) return {};
  return returned([now](const Lock& lock) { return lock.until <= now; });
}

void ShareCursor::forget_overdue(Moment now) {
  std::erase_if(locks_, [now](const auto& lock) { return lock.second.until <= now; });
}

void ShareCursor::postpone_overdue(Moment now, Moment until) {
  for (auto& [id, lock] : locks_) {
    if (lock.until <= now) lock.until = until;
  }
}

void ShareCursor::apply(std::span<const ShareOutcome> outcomes) {
  for (const ShareOutcome& outcome : outcomes) {
    for (const auto& [at, out] : places_.outstanding_in(place(outcome.first), place(outcome.end))) {
      leave_lock(out.consumer);
      if (outcome.deliveries > 0) places_.release(at);
    }
    if (outcome.deliveries == 0) {
      places_.apply_settle_range(place(outcome.first), place(outcome.end));
      continue;
    }
    for (Offset at = outcome.first; at < outcome.end; ++at) {
      places_.apply_failures(place(at), outcome.deliveries);
    }
  }
}

// How often those were delivered that came back.
ShareOutcomes ShareCursor::deliveries() const {
  ShareOutcomes outcomes;
  for (const QueueCursor::Failures& failed : places_.failures()) {
    add_outcome(outcomes, {offset(failed.sequence), offset(failed.sequence + 1), failed.count});
  }
  return outcomes;
}

ShareOutcomes ShareCursor::history() const {
  ShareOutcomes outcomes = deliveries();
  for (const auto& [first, end] : places_.settled_ranges()) {
    outcomes.push_back({Offset(first), Offset(end), 0});
  }
  std::sort(outcomes.begin(), outcomes.end(),
            [](const ShareOutcome& a, const ShareOutcome& b) { return a.first < b.first; });
  return outcomes;
}

void ShareCursor::encode_state(std::string& out) const {
  ByteWriter writer(out);
  std::string places;
  places_.encode_state(places);
  writer.sized(places);
  const ShareOutcomes outcomes = deliveries();
  if (!TRV_MUTANT(share_deliveries_lost_in_checkpoint)) write_outcomes(writer, outcomes);
}

bool ShareCursor::restore_state(ByteView bytes) {
  ByteReader in(bytes);
  ByteView places = in.sized();
  ShareOutcomes outcomes = read_outcomes(in);
  if (!in.ok() || !is_state(places) || !places_.restore_state(places)) return false;
  apply(outcomes);
  return true;
}

// --- the groups of a topic
// ------------------------------------------------------------------------

ShareCursor* ShareCursors::find(std::string_view group, PartitionIndex partition) {
  auto at = groups_.find(group);
  if (at == groups_.end()) return nullptr;
  auto cursor = at->second.find(partition.value);
  return cursor == at->second.end() ? nullptr : &cursor->second;
}

std::string ShareCursors::encode_start(std::string_view group, PartitionIndex partition,
                                       Offset offset) {
  std::string command;
  ByteWriter out(command);
  begin(out, Op::start, group);
  out.varint(static_cast<std::uint64_t>(partition.value));
  out.varint_signed(offset.value);
  return command;
}

std::string ShareCursors::encode_outcomes(std::string_view group, PartitionIndex partition,
                                          std::span<const ShareOutcome> outcomes) {
  std::string command;
  ByteWriter out(command);
  begin(out, Op::outcomes, group);
  out.varint(static_cast<std::uint64_t>(partition.value));
  write_outcomes(out, outcomes);
  return command;
}

std::string ShareCursors::encode_forget(std::string_view group) {
  std::string command;
  ByteWriter out(command);
  begin(out, Op::forget, group);
  return command;
}

Status ShareCursors::apply(ByteView command, const Changed& changed) {
  auto note = [&changed](std::string_view of, std::int32_t index) {
    if (changed) changed(of, PartitionIndex(index));
  };
  const Error damaged{Errc::corrupt, "share cursors: damaged or unknown command"};
  ByteReader in(command);
  auto op = static_cast<Op>(in.u8());
  std::string group(in.sized());
  if (op == Op::forget) {
    if (!in.done()) return damaged;
    for (const auto& [index, cursor] : groups_[group]) note(group, index);
    groups_.erase(group);
    return {};
  }
  std::uint64_t partition = in.varint();
  if (!in.ok() || partition > INT32_MAX) return damaged;
  auto index = static_cast<std::int32_t>(partition);
  if (op == Op::start) {
    Offset start(in.varint_signed());
    if (!in.done() || start.value < 0) return damaged;
    groups_[group].insert_or_assign(index, ShareCursor(start));
    note(group, index);
    return {};
  }
  if (op == Op::outcomes) {
    ShareOutcomes outcomes = read_outcomes(in);
    if (!in.ok()) return damaged;
    if (ShareCursor* cursor = find(group, PartitionIndex(index))) {
      cursor->apply(outcomes);
      note(group, index);
    }
    return {};
  }
  ShareCursor cursor{Offset()};
  if (op != Op::restore || !cursor.restore_state(in.rest())) return damaged;
  groups_[group].insert_or_assign(index, std::move(cursor));
  note(group, index);
  return {};
}

void ShareCursors::snapshot(const std::function<void(ByteView)>& sink) const {
  std::string command;
  for (const auto& [group, partitions] : groups_) {
    for (const auto& [index, cursor] : partitions) {
      command.clear();
      ByteWriter out(command);
      begin(out, Op::restore, group);
      out.varint(static_cast<std::uint64_t>(index));
      cursor.encode_state(command);
      sink(command);
    }
  }
}

}  // namespace trv::model
