// Placement: which session owns a shard, in which epoch, and where the shard's state is.
//
// A shard's root is one cell. Taking a shard over: seal the owner's session, rebuild the state from
// the root's checkpoint and that session's slots, then compare-and-set the root to oneself with the
// epoch one higher. Two that race both do the work; one's compare-and-set fails. An owner that is
// still alive finds its session sealed, and loses all shards of that session at once.
//
// - The epoch of a shard only grows; within an epoch its session never changes.
// - A root never names a blob that is not there: its writer puts the blob first, and removes the
// one
//   before only after ok.
// - An owner that has been replaced can change the root no more: it has not seen the new one.
//
// One shard (core). The stores outlive it; it outlives its calls.
#pragma once

#include <memory>

#include "objects/blob_store.h"
#include "objects/cell_store.h"
#include "objects/journal_store.h"

namespace trv::objects {

// A shard's root as it was seen.
struct Placed {
  Cell cell;
  Root root;
};

// The state of a shard while it is rebuilt. Filled in by who knows what entries mean.
class Rebuild {
 public:
  virtual ~Rebuild() = default;
  // Called once, first. None: the shard is new.
  virtual void load(std::optional<BlobRef> checkpoint, Done<void> done) = 0;
  // A frame of the session that owned the shard in `epoch`. It may hold entries of other shards,
  // and entries that the checkpoint has already; those of this shard in other epochs do not count.
  virtual void apply(Epoch epoch, Slot slot, ByteView frame) = 0;
  // Called last: writes the new checkpoint.
  virtual void save(Done<std::optional<BlobRef>> done) = 0;
};

struct Claim {
  ShardId shard;
  NodeId node;
  SessionId session;  // the taker's own
  Slot first;         // its next(); it does not trim from there on until the claim is answered
};

class Placement {
 public:
  Placement(CellStore& cells, JournalStore& journals);

  // Errors: not_found (nobody ever owned it), corrupt, timed_out.
  void locate(ShardId shard, Done<Placed> done);
  // Takes the shard over. `state` outlives the call. Errors:
  // precondition_failed  somebody else was faster; look again
  // in_use               the root names the taker's own session, by a claim whose answer was lost:
  //                      only a new session can own the shard
  // not_found, corrupt   what the root names is gone or damaged; when somebody else has taken the
  //                      shard meanwhile that is no harm: look again
  // timed_out            the shard may be the taker's, or yet become so; look again
  void take(Claim claim, Rebuild& state, Done<Placed> done);
  // The owner puts a new checkpoint: everything of this epoch in slots below `first` is in it.
  // Errors: precondition_failed (somebody else has the shard now), timed_out (unknown: read it).
  void advance(const Placed& seen, Slot first, BlobRef checkpoint, Done<Placed> done);

 private:
  CellStore& cells_;
  JournalStore& journals_;
};

}  // namespace trv::objects
