// JournalStore: creates sessions, ends those of others, reads what they left and drops it.
//
// Sealing a session, and why it holds without a clock:
// 1. Its cell is set to `sealing`. From here on the trim stands still.
// 2. Its slots are walked from the trim on; a SEAL is created in the first that is free. The owner,
//    awake or not, can never create that slot any more, so nothing behind it is ever acknowledged.
// 3. Its cell is set to `sealed at f`. From here on the chain is slots trim to f, for everybody.
//
// Many processes may do this at once: each finds the same seal, or the record of it. A walker that
// comes so late that slots were dropped under it may leave a second seal below f; the cell decides.
// A seal is never deleted: while it is there, the slot is taken.
//
// One shard. The stores and the source of random numbers outlive it; it outlives its calls.
#pragma once

#include <string>

#include "objects/cell_store.h"
#include "objects/format.h"
#include "objects/resolve.h"

namespace trv::objects {

struct SlotRange {
  Slot first;
  Slot end;
};

class JournalStore {
 public:
  using FrameVisitor = UniqueFunction<void(Slot slot, ByteView frame)>;

  JournalStore(io::ObjectStore& store, CellStore& cells, WriterId writer, Random& random);

  // A new session, for a SlotJournal of this process. After an error there may be a session that
  // nobody owns.
  void create(Done<SessionId> done);
  // Ends the session and says where; at once when it is sealed already. Errors: not_found, corrupt,
  // timed_out (call it again).
  void seal(SessionId session, Done<SessionRecord> done);
  // Hands out the frames of the range in order. Requires: the session is sealed, and the range lies
  // between its trim and its end. Errors: not_found (a slot is gone: it was dropped meanwhile, or
  // lost), corrupt, timed_out; frames may have been handed out before.
  void replay(SessionId session, SlotRange range, FrameVisitor on_frame, Done<void> done);
  // Drops slots below `below`, never the seal, and says where the session begins now. Errors:
  // precondition_failed (the session is being sealed; nothing was dropped), not_found, corrupt,
  // timed_out (call it again). Requires: no root needs them. While the session is open only its own
  // process calls it, and `below` is acknowledged.
  void trim(SessionId session, Slot below, Done<Slot> done);

 private:
  io::ObjectStore& store_;
  CellStore& cells_;
  WriterId writer_;
  Random& random_;
};

}  // namespace trv::objects
