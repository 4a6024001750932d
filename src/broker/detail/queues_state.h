// The inside of Queues: the queues of a core by name, and the steps of declaring, delivering,
// settling and dead-lettering.
#pragma once

#include <string>
#include <vector>

#include "broker/queue_state.h"
#include "broker/queues.h"
#include "broker/shard_state.h"

namespace trv::broker {

// Holds records whose dead letter is on its way.
inline constexpr ConsumerId dying_holder{0};

struct Queues::State {
  explicit State(Broker& b) : broker(b) {}

  Broker& broker;
  NameMap<Queue*> by_name;    // owned by their shards
  std::vector<Queue*> ready;  // dispatch() is posted for them
  std::vector<Queue*> dirty;  // settled something in this round
  // Had something to settle that the journal refused; looked at again with the next tick.
  std::vector<std::string> refused;
  bool dispatch_posted = false;
  std::uint64_t next_consumer = 1;

  Queue* find(std::string_view name) const;
  QueueFacts facts_of(Queue& queue) const;

  // Enters a queue over `topic` into the shard; the entry in the journal is the caller's.
  Queue& insert(const std::string& name, const QueueSettings& settings, Topic& topic,
                Sequence start);
  Status journal_declared(const std::string& name, const QueueSettings& settings,
                          const Topic& topic);
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
  std::size_t index_of(const Queue& queue, const Queue::Consumer* consumer) const;
  void journal_delivered(Queue& queue);

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
  void mark_dirty(Queue& queue);
  void journal_settled(Queue& queue);
  // To the dead-letter exchange if there is one, then settled. The record is outstanding.
  // Takes it out at its time; false when that must wait.
  bool expire(Queue& queue, Sequence sequence);
  // Errors: as settle().
  Status discard(Queue& queue, Sequence sequence, DeathReason reason);

  // When the record may no longer be delivered; nothing when it may for ever.
  std::optional<std::int64_t> deadline_ms(const Queue& queue,
                                          const model::StoredRecord& record) const;
  // Discards what has expired at the head and arms the timer for what will.
  void expire_head(Queue& queue);
};

}  // namespace trv::broker
