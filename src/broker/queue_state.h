// The inside of a queue: its cursor, its consumers and what is to be journaled at the round's end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/queues.h"
#include "broker/topic_state.h"
#include "model/queue_cursor.h"
#include "model/ready_index.h"
#include "runtime/core.h"

namespace trv::broker {

// What a queue keeps when its settings ask for more than a plain queue has.
struct QueueExtras {
  // With priorities or a limit of bytes; see ReadyIndex.
  std::optional<model::ReadyIndex> index;
  bool has_deadlines = false;         // a record with a time to live of its own was indexed
  std::uint64_t unindexed_bytes = 0;  // of records that admits() let in, not indexed yet
  // Failed in this round, not in the journal yet.
  std::vector<model::QueueCursor::Failures> failed;
  ConsumerId active{};  // of a queue with a single active consumer
  runtime::SteadyTime used_at{};
  runtime::Timer unused;
};

struct Lengths {
  std::uint64_t ready = 0;
  std::uint64_t outstanding = 0;
};

// The lengths of a queue when the last two looks were taken at it; see State::look_at_lengths().
struct LengthHistory {
  std::uint64_t look = 0;  // the number of the last one
  Lengths last;
  Lengths before;
};

// What is counted of a log that counts as a queue.
struct CountedLog {
  const Topic* topic;
  QueueTraffic traffic;
  LengthHistory lengths;
};

inline bool is_journaled(const QueueSettings& settings, const Topic& topic) {
  return settings.durable && !settings.exclusive && !topic.state.settings().transient;
}

struct Queue {
  Queue(std::string queue_name, QueueSettings queue_settings, Topic& source)
      : name(std::move(queue_name)),
        settings(std::move(queue_settings)),
        topic(&source),
        cursor(source.state.start()) {}

  struct Consumer {
    ConsumerId id;
    ConsumerSpec spec;
    std::uint32_t credit = 0;
  };

  std::string name;
  QueueSettings settings;
  Topic* topic;
  model::QueueCursor cursor;
  std::vector<std::unique_ptr<Consumer>> consumers;  // by priority, then in order of arrival
  std::size_t next_consumer = 0;                     // round robin among equals

  // For this round's end: settled here, not in the journal yet.
  std::vector<Sequence> settled;
  std::uint64_t settled_promised = 0;  // bytes of the journal set aside for them
  Sequence delivered_mark;             // as journaled
  bool dirty = false;                  // in Queues::State::dirty
  bool ready = false;                  // in Queues::State::ready
  bool warming = false;                // the next fresh record is on its way from the disk
  // Expiry of the record at the head while nobody takes it.
  runtime::Timer expiry;
  std::optional<Sequence> head_checked;
  std::unique_ptr<QueueExtras> extras;     // null for a plain queue
  std::unique_ptr<QueueTraffic> traffic;   // null while nothing has happened
  std::unique_ptr<LengthHistory> lengths;  // null while it was empty at every look
  // Its place in Queues::State::changed_lengths; none when its lengths are those of the last look.
  std::optional<std::uint32_t> changed_place;

  // What policies have made of what was declared; null when none bears on it.
  struct Governed {
    QueueSettings declared;
    std::string policy;
    std::string operator_policy;
  };
  std::unique_ptr<Governed> governed;
  // As it is stored; `settings` are those in force.
  const QueueSettings& declared() const { return governed ? governed->declared : settings; }

  // Its changes are in the journal.
  bool durable() const { return is_journaled(settings, *topic); }
  model::ReadyIndex* index() const { return extras && extras->index ? &*extras->index : nullptr; }
  // Made for the queue, and goes with it.
  bool owns_topic() const {
    return topic->state.settings().owned_by_queue && settings.source.empty();
  }
};

}  // namespace trv::broker
