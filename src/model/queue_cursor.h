// QueueCursor: the reading state of competing consumers over a topic, where each record is settled
// one by one: what is ready, what is out at whom, what is settled.
//
// Owner: the shard of the topic. Only settled() and the delivered mark are durable; deliveries die
// with the process and become ready again, flagged as redelivered.
//
//    floor          next
//      |  settled |   |
//   ---+--####-##-----+-------------> sequences
//            ^ out or released        (fresh: not looked at yet)
//
// Invariants: everything below floor() is settled; everything at or after next() is fresh; between
// them each sequence is exactly one of settled, out, released.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/ids.h"

namespace trv::model {

struct Outstanding {
  ConsumerId consumer;
  std::uint32_t delivery_count = 1;
};

class QueueCursor {
 public:
  explicit QueueCursor(Sequence start) : floor_(start), next_(start) {}

  Sequence floor() const { return floor_; }
  Sequence next() const { return next_; }
  std::size_t outstanding_count() const { return out_.size(); }
  std::size_t released_count() const { return released_.size(); }
  // Records that a consumer could get now, given the end of what is visible; skips nothing that
  // the topic hides.
  std::uint64_t ready_count(Sequence visible_end) const;

  // The lowest released sequence, which goes before fresh ones: requeued records keep their place.
  std::optional<Sequence> first_released() const;
  // The next to deliver: released first, then fresh below `visible_end`.
  std::optional<Sequence> first_ready(Sequence visible_end) const;

  struct Taken {
    bool redelivered = false;
    std::uint32_t delivery_count = 1;
  };
  // Hands `sequence` to a consumer. Requires: it is first_ready() of some visible end.
  Taken take(Sequence sequence, ConsumerId consumer);
  // Fresh records that nobody will get: hidden in the topic or trimmed. Requires: sequence >=
  // next().
  void skip_to(Sequence sequence);
  // Puts back what is out. False when it is not out.
  bool release(Sequence sequence);
  // Everything that is out at the consumer, in order.
  std::vector<Sequence> outstanding_of(ConsumerId consumer) const;
  bool is_outstanding(Sequence sequence) const { return out_.contains(sequence); }

  // Durable: the record is done with. Settling twice changes nothing.
  void apply_settle(Sequence sequence);
  void apply_settle_below(Sequence sequence);
  // Durable: everything below was given out at some time, so is redelivered if given out again.
  void apply_delivered_mark(Sequence sequence);
  Sequence delivered_mark() const { return delivered_mark_; }

  void encode_state(std::string& out) const;
  bool restore_state(std::string_view bytes);

 private:
  void mark_settled(Sequence sequence);
  void advance_floor();

  Sequence floor_;
  Sequence next_;
  Sequence delivered_mark_;
  std::map<Sequence, Outstanding> out_;
  std::map<Sequence, std::uint32_t> released_;    // and how often delivered before
  std::map<std::int64_t, std::int64_t> settled_;  // disjoint ranges [first, end) at or above floor
};

}  // namespace trv::model
