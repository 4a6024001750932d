// Compactor: gives disk space back. It moves what is live out of segments that are mostly dead, and
// keeps only the newest record of each key in topics whose settings say so.
//
// Owner: the core's Broker; used on that core only.
//
// What it does is journaled: a batch that is stored again takes the place of the old one in its
// topic's index (entry::batch_moved), batches without a readable record leave the index
// (batches_dropped). The old bytes are freed by the checkpoint after, so nothing that recovery may
// need is gone too early. A change is made between two handlers, so readers see a batch in one
// place or in the other.
//
// Work is done in slices of about a millisecond, one a round, within a budget of bytes a second
// (read and written). While the journal takes nothing (a full disk) it rests.
//
// It does not choose segments, which lie on disk for all cores: server::Checkpointer does.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>

#include "base/function.h"
#include "broker/broker.h"

namespace trv::broker {

// Of a process life; they only grow.
struct CompactionCounters {
  std::uint64_t moved_batches = 0;       // stored again, whole or in part
  std::uint64_t moved_bytes = 0;         // as they are stored now
  std::uint64_t moved_delays = 0;        // messages that an exchange keeps back, stored again
  std::uint64_t dropped_batches = 0;     // that nobody could read any more
  std::uint64_t cleaned_partitions = 0;  // passes over a partition for its keys

  // What the emptying of segments has changed.
  std::uint64_t emptied() const { return moved_batches + moved_delays + dropped_batches; }
};

class Compactor {
 public:
  explicit Compactor(Broker& broker);
  ~Compactor();

  // Moves what is live in these segments, as far as it belongs to topics of this core. `done` runs
  // once, when nothing is left to do; what could not be read or written stays where it is. One at a
  // time: while an earlier one goes on, nothing is done.
  using Segments = std::unordered_set<std::uint64_t>;
  void empty_segments(Segments segments, UniqueFunction<void()> done);

  const CompactionCounters& counters() const;

  // --- for the broker ---------------------------------------------------------------------------
  void tick();
  void stop();
  // Looks for partitions that are due for cleaning now; tick() does it now and then.
  void test_clean();
  bool test_busy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
