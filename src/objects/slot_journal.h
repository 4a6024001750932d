// SlotJournal: the chain of write-once slots that one session owns. A slot is one group commit.
//
//     slot      0   1   2   3   4   5 ...
//               ok  ok  ok  ..  ok  SEAL        3 is on its way: neither 3 nor 4 is acknowledged
//                       ^ acknowledged() == 3
//
// - Slot k is created with create_if_absent: it holds this session's bytes, or somebody else's, for
//   ever.
// - A frame is acknowledged when its slot and all slots before it were created by this process;
//   acknowledgements come in the order of slots.
// - Somebody else's bytes in a slot (a seal) end the session with `fenced`, for ever. A process
// that
//   was paused learns it that way and no other; no clock is asked.
// - A slot that cannot be written within resolve_tries_max ends the session too: behind a hole
//   nothing can ever be acknowledged.
//
// Owner: one shard, for one process life. The store outlives it, and it outlives its calls.
// append() may be called from within a completion; destroying it may not. It does not seal, trim or
// read back: that is JournalStore.
#pragma once

#include <deque>
#include <string>

#include "objects/format.h"
#include "objects/resolve.h"

namespace trv::objects {

class SlotJournal {
 public:
  enum class State : std::uint8_t {
    open,    // appends are taken
    fenced,  // the session was sealed: its shards are somebody else's, or soon will be
    broken,  // a slot could not be written, or is damaged; take a new session
  };

  // Requires: this process created the session just now.
  SlotJournal(io::ObjectStore& store, SessionId session, WriterId writer,
              std::size_t in_flight_max);
  SlotJournal(const SlotJournal&) = delete;
  SlotJournal& operator=(const SlotJournal&) = delete;

  // Ok: `done` will be called, with ok when the frame is acknowledged, or with fenced or timed_out
  // when the session ended before; whether the frame is part of the chain is then for the seal to
  // say. An error is certain: the frame is not, and never will be, part of the chain. Errors:
  // fenced or closed (the session has ended), overloaded (in_flight_max frames are on their way).
  Status append(std::string frame, Done<void> done);

  State state() const { return state_; }
  SessionId session() const { return session_; }
  // The slot of the next append.
  Slot next() const { return next_; }
  // All slots below it are acknowledged.
  Slot acknowledged() const { return acknowledged_; }

 private:
  struct Pending {
    Done<void> done;
    bool created = false;
  };

  void on_written(Slot slot, Result<Written> written);
  void acknowledge();
  void end(State state, const Error& error);

  io::ObjectStore& store_;
  SessionId session_;
  WriterId writer_;
  std::size_t in_flight_max_;
  State state_ = State::open;
  Slot next_;
  Slot acknowledged_;
  std::deque<Pending> pending_;  // of the slots from acknowledged_ to next_
};

}  // namespace trv::objects
