// QueueCursor: the reading state of competing consumers over a topic, where each record is settled
// one by one: what is ready, what is out at whom, what is settled.
//
// Owner: the shard of the topic. Only settled(), the delivered mark and failures are durable;
// deliveries die with the process and become ready again, flagged as redelivered.
//
//    floor          next
//      |  settled |   |
//   ---+--####-##-----+-------------> sequences
//            ^ out or released        (fresh: not looked at yet)
//
// Invariants: everything below floor() is settled; everything at or after next() is fresh; between
// them each sequence is exactly one of settled, out, released. Released ones are kept as runs, so
// that a backlog which is not served in its order takes no memory by the record.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace trv::model {

// What happened to a record before.
struct RecordPast {
  std::uint32_t deliveries = 0;
  std::uint32_t failures = 0;  // deliveries that came back as failed
  bool operator==(const RecordPast&) const = default;
};

struct Outstanding {
  ConsumerId consumer;
  RecordPast past;  // this delivery not included
};

class QueueCursor {
 public:
  explicit QueueCursor(Sequence start) : floor_(start), next_(start) {}

  Sequence floor() const { return floor_; }
  Sequence next() const { return next_; }
  std::size_t outstanding_count() const { return out_.size(); }
  std::uint64_t released_count() const { return released_count_; }
  // Records that a consumer could get now, given the end of what is visible; skips nothing that
  // the topic hides.
  std::uint64_t ready_count(Sequence visible_end) const;
  // Released, or not looked at yet.
  bool is_ready(Sequence sequence) const;
  bool is_settled(Sequence sequence) const;
  // Settled ones above floor(), as ranges [first, end) that do not touch.
  const std::map<std::int64_t, std::int64_t>& settled_ranges() const { return settled_; }
  // How many of [first, end) are settled.
  std::uint64_t settled_count(Sequence first, Sequence end) const;

  // The lowest released sequence, which goes before fresh ones: requeued records keep their place.
  std::optional<Sequence> first_released() const;
  // The next to deliver in the order of the log: released first, then fresh below `visible_end`.
  std::optional<Sequence> first_ready(Sequence visible_end) const;

  struct Taken {
    bool redelivered = false;
    std::uint32_t delivery_count = 1;
    std::uint32_t failure_count = 0;
  };
  // Hands `sequence` to a consumer; fresh ones before it count as released. Requires: is_ready().
  Taken take(Sequence sequence, ConsumerId consumer);
  // Fresh records that nobody will get: hidden in the topic or trimmed. Requires: sequence >=
  // next().
  void skip_to(Sequence sequence);
  // Puts back what is out. False when it is not out.
  bool release(Sequence sequence);
  // The same, and counts the delivery as failed. Result: how many failed now; 0 when it is not out.
  std::uint32_t release_failed(Sequence sequence);
  // What is out goes on to another holder. Requires: it is outstanding.
  void hand_over(Sequence sequence, ConsumerId holder) { out_.at(sequence).consumer = holder; }
  // Everything that is out at the consumer, in order.
  std::vector<Sequence> outstanding_of(ConsumerId consumer) const;
  bool is_outstanding(Sequence sequence) const { return out_.contains(sequence); }
  bool is_outstanding_at(Sequence sequence, ConsumerId consumer) const {
    const auto out = out_.find(sequence);
    return out != out_.end() && out->second.consumer == consumer;
  }
  // Who has it; nothing when it is not out.
  std::optional<ConsumerId> holder_of(Sequence sequence) const;
  // What is out of [first, end), in order.
  std::vector<std::pair<Sequence, Outstanding>> outstanding_in(Sequence first, Sequence end) const;
  // The end of what is released from here on without a break. Requires: it is released.
  Sequence released_end(Sequence sequence) const;
  // How often what is out failed before. Requires: it is outstanding.
  std::uint32_t failure_count(Sequence sequence) const { return out_.at(sequence).past.failures; }

  // Durable: the record is done with. Settling twice changes nothing.
  void apply_settle(Sequence sequence);
  void apply_settle_below(Sequence sequence);
  // All of [first, end), whatever became of it before.
  void apply_settle_range(Sequence first, Sequence end);
  // Durable: everything below was given out at some time, so is redelivered if given out again.
  void apply_delivered_mark(Sequence sequence);
  Sequence delivered_mark() const { return delivered_mark_; }
  // Durable, for queues that count them: the record is ready, and so many deliveries failed.
  void apply_failures(Sequence sequence, std::uint32_t count);

  struct Failures {
    Sequence sequence;
    std::uint32_t count;
  };
  // What apply_failures() would have to say to a cursor restored from encode_state(), in order.
  std::vector<Failures> failures() const;

  // What it takes, near enough to be told.
  std::size_t memory_bytes() const;

  void encode_state(std::string& out) const;
  bool restore_state(std::string_view bytes);

 private:
  struct Run {
    Sequence end;
    RecordPast past;
  };

  void add_released(Sequence first, Sequence end, RecordPast past);
  // Nothing when it is not released.
  std::optional<RecordPast> remove_released(Sequence sequence);
  void remove_released_below(Sequence sequence);
  void remove_released_range(Sequence first, Sequence end);
  // Takes out of out_ what becomes of its past.
  std::optional<RecordPast> returned(Sequence sequence);
  void mark_settled(Sequence sequence);
  void advance_floor();

  Sequence floor_;
  Sequence next_;
  Sequence delivered_mark_;
  std::map<Sequence, Outstanding> out_;
  std::map<Sequence, Run> released_;  // disjoint runs by their first
  std::uint64_t released_count_ = 0;
  std::map<std::int64_t, std::int64_t> settled_;  // disjoint ranges [first, end) at or above floor
};

}  // namespace trv::model
