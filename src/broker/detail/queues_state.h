// The inside of Queues: the queues of a core by name, and the steps of declaring, delivering,
// settling and dead-lettering.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "broker/queue_state.h"
#include "broker/queues.h"
#include "broker/shard_state.h"

namespace trv::broker {

// Holds records whose dead letter is on its way.
inline constexpr ConsumerId dying_holder{0};

// The payload of entry::queue_failed. Requires: `failed` is in order of sequences.
void encode_failures(std::string_view queue, std::span<const model::QueueCursor::Failures> failed,
                     std::string& out);

struct Queues::State {
  explicit State(Broker& b) : broker(b) {}

  Broker& broker;
  NameMap<Queue*> by_name;                    // owned by their shards; see add_name()
  NameMap<std::unique_ptr<CountedLog>> logs;  // that count as queues
  NameMap<std::size_t> counts;                // by scope: of names in by_name or `logs`; no zeros
  // What may have become longer or shorter since the last look at lengths; null: is gone.
  std::vector<Queue*> changed_lengths;
  std::uint64_t looks = 0;
  runtime::SteadyTime looked_at{};
  double look_seconds = 0;    // between the last two; 0 before there were two
  std::vector<Queue*> ready;  // dispatch() is posted for them
  std::vector<Queue*> dirty;  // settled something in this round
  // Had something to settle that the journal refused; looked at again with the next tick.
  std::vector<std::string> refused;
  bool dispatch_posted = false;
  struct Dying {
    std::string queue;
    Sequence sequence;
    DeathReason reason;
    bool stays;  // no queue took it, and it had to stay; else it could not be stored
  };
  std::deque<Dying> dying;  // tried again, or released, by dying_retry
  runtime::Timer dying_retry;
  std::uint64_t next_consumer = 1;
  EventCounts<QueuesEvent> churn;

  Queue* find(std::string_view name) const;
  QueueFacts facts_of(Queue& queue) const;
  void count(Queue& queue, QueueEvent event, std::uint64_t count = 1) const;

  // Keep `by_name` and `counts`.
  void add_name(Queue& queue);
  void drop_name(std::string_view name);
  void count_name(std::string_view name);
  void uncount_name(std::string_view name);
  Lengths lengths_of(const Queue& queue) const;
  LengthRates rates_of(const LengthHistory* lengths) const;
  // Its lengths are about to change, or have just.
  void note_length(Queue& queue);
  void forget_length(Queue& queue);
  // Begins with what is there; else a queue that is not empty seems to have grown at once.
  void begin_lengths(Queue& queue) const;
  // Once an interval, at those that may have changed: who rests costs nothing.
  void look_at_lengths();

  // Enters a queue over `topic` into the shard; the entry in the journal is the caller's.
  Queue& insert(const std::string& name, const QueueSettings& settings, Topic& topic,
                Sequence start);
  Status journal_declared(const std::string& name, const QueueSettings& settings,
                          const Topic& topic);
  // What its settings ask for beyond a plain queue.
  void add_extras(Queue& queue);
  // If its settings ask for one. Requires: it has extras, and no index.
  void add_index(Queue& queue);
  // Makes the settings what the policies of now say.
  void apply_policies(Queue& queue);
  // Its settings have changed.
  void refit(Queue& queue);
  static void leave_topic(Queue& queue);
  // Takes the queue out of all tables; consumers are told. Its topic stays.
  void erase(Queue& queue);
  void remove_bindings(const std::string& name);

  void make_ready(Queue& queue);
  void dispatch_ready();
  void dispatch(Queue& queue);
  // False when it could not be given to anybody.
  bool deliver(Queue& queue, const model::StoredRecord& record,
               std::vector<std::vector<Delivery>>&);
  Queue::Consumer* choose_consumer(Queue& queue);
  // Of a queue with a single active consumer: that one. Null when there is none.
  Queue::Consumer* active_consumer(Queue& queue);
  std::size_t index_of(const Queue& queue, const Queue::Consumer* consumer) const;
  void journal_delivered(Queue& queue);

  // The next to be given out, by priority where that counts.
  std::optional<Sequence> first_ready(const Queue& queue) const;
  model::QueueCursor::Taken take(Queue& queue, Sequence sequence, ConsumerId holder);
  void release(Queue& queue, Sequence sequence);
  // As release(), and counts it as failed where that is counted: once too often, and it dies.
  void fail(Queue& queue, Sequence sequence);
  // Errors: there is no place for it in the journal; then the record is as it was.
  Status settle(Queue& queue, Sequence sequence);
  // For a record that is gone from the topic: a restart passes over it too, so it holds in any
  // case.
  void pass_over(Queue& queue, Sequence sequence);
  void try_again_later(Queue& queue);
  // Sets room aside for settling `apart` records anywhere and `in_row` that follow each other.
  Status promise_settled(Queue& queue, std::uint64_t apart, std::uint64_t in_row);
  // Requires: what it takes is promised.
  void note_settled(Queue& queue, Sequence sequence);
  void apply_settled(Queue& queue, Sequence sequence);
  void mark_dirty(Queue& queue);
  void journal_settled(Queue& queue);
  void journal_failed(Queue& queue);
  // To the dead-letter exchange if there is one, then settled. The record is outstanding.
  // Errors: as settle().
  Status discard(Queue& queue, Sequence sequence, DeathReason reason);
  // As discard(), by the queue's own rules; false when that must wait, and the record is back.
  bool kill(Queue& queue, Sequence sequence, DeathReason reason);
  // `finish(safe)` runs once the dead letter is durable where it went, or could not be stored.
  void publish_dead_letter(const Queue& queue, const model::StoredRecord& record,
                           DeathReason reason, const std::function<void(bool)>& finish);

  // A record that was never in the queue becomes its dead letter.
  void kill_refused(const Queue& queue, const model::NewRecord& record);
  // A dead letter could not be stored: after a while its record goes back to its queue, or, where
  // dead letters stay, it is tried again.
  void keep_dying(const Queue& queue, Sequence sequence, DeathReason reason);
  void retry_dying();

  // When the record may no longer be delivered; nothing when it may for ever.
  std::optional<std::int64_t> deadline_ms(const Queue& queue,
                                          const model::StoredRecord& record) const;
  // Discards what has expired at the head and arms the timer for what will.
  void expire_head(Queue& queue);
  // Delivers on when what is there comes from the disk.
  void await(Queue& queue, BlobRange cold);
  // The same for the heads of all priorities.
  void expire_heads(Queue& queue);
  // False when the record at `head` has gone; else `deadline` is when it will.
  bool expire_one(Queue& queue, Sequence head, std::optional<std::int64_t>& deadline);
  // A record without any time to live is for whoever waits for it now, however long its way to the
  // disk has taken; and for nobody else.
  bool goes_at_once(const Queue& queue, const model::StoredRecord& record,
                    std::optional<std::int64_t> deadline) const;
  void arm_expiry(Queue& queue, std::int64_t deadline);

  // Enters what became visible into the queue's index. False when there is more to enter.
  bool refresh_index(Queue& queue);
  // Drops from the head what is more than the limits allow.
  void enforce_limits(Queue& queue);
  void arm_unused(Queue& queue, runtime::Duration delay);
  void remove_unused(const std::string& name);
};

}  // namespace trv::broker
