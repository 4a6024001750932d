#include "objects/slot_journal.h"

#include <utility>

namespace trv::objects {

SlotJournal::SlotJournal(io::ObjectStore& store, SessionId session, WriterId writer,
                         std::size_t in_flight_max)
    : store_(store), session_(session), writer_(writer), in_flight_max_(in_flight_max) {}

Status SlotJournal::append(std::string frame, Done<void> done) {
  switch (state_) {
    case State::open:
      break;
    case State::fenced:
      return Error{Errc::fenced, "the session is sealed"};
    case State::broken:
      return Error{Errc::closed, "the session has ended"};
  }
  if (pending_.size() >= in_flight_max_) return Error{Errc::overloaded, "too many open commits"};
  const Slot slot = next_;
  ++next_;
  pending_.push_back({std::move(done)});
  write_once(store_, slot_name(session_, slot),
             encode_slot({SlotKind::frame, session_, slot, writer_, frame}),
             [this, slot](Result<Written> written) { on_written(slot, std::move(written)); });
  return {};
}

void SlotJournal::on_written(Slot slot, Result<Written> written) {
  if (state_ != State::open) return;
  if (!written.ok()) return end(State::broken, {Errc::timed_out, written.error().message});
  if (written->other) {
    const bool whole = parse_slot(*written->other).has_value();
    return whole ? end(State::fenced, {Errc::fenced, "the session was sealed"})
                 : end(State::broken, {Errc::timed_out, "damaged: " + slot_name(session_, slot)});
  }
  pending_[slot - acknowledged_].created = true;
  acknowledge();
}

void SlotJournal::acknowledge() {
  while (!pending_.empty() && pending_.front().created) {
    Done<void> done = std::move(pending_.front().done);
    pending_.pop_front();
    ++acknowledged_;
    done({});
  }
}

void SlotJournal::end(State state, const Error& error) {
  TRV_ASSERT(state_ == State::open);
  state_ = state;
  for (Pending& pending : std::exchange(pending_, {})) pending.done(error);
}

}  // namespace trv::objects
