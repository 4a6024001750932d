// Queues: competing consumers with settlement record by record, over the topics of one core.
//
// A queue is a cursor over its source topic: its own log (the topic of the same name, created with
// it) or any existing topic. It lives on the shard of its *source*; Catalog::locate(queue) tells
// that name: broker.at(broker.catalog().locate(queue), ...).
//
// Deliveries are pushed to each consumer's sink while it has credit. A sink runs on this core at
// the end of a round and must only hand the values on (to a connection of this core, or by post).
// Settling takes sequences; what a consumer holds when it goes is released in order.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/event_counts.h"
#include "broker/queue_settings.h"
#include "broker/topics.h"

namespace trv::broker {

// What happens to the records of a queue.
enum class QueueEvent : std::uint8_t {
  shown,              // may be delivered from now on
  delivered,          // to a consumer, which settles it
  delivered_settled,  // to one that need not
  taken,              // without a consumer, to be settled
  taken_settled,
  found_empty,  // by who wanted to take one
  redelivered,  // besides one of the four before
  completed,    // settled as done
  count_
};
using QueueTraffic = EventCounts<QueueEvent>;

// What happens to queues.
enum class QueuesEvent : std::uint8_t { created, removed, count_ };

// How many records a second a queue has become longer by, lately: over the last interval that is
// over. Negative when it has become shorter.
struct LengthRates {
  double ready = 0;
  double outstanding = 0;
};

struct QueueFacts {
  std::string name;
  QueueSettings settings;
  std::uint64_t ready_count = 0;
  std::uint64_t outstanding_count = 0;
  std::uint32_t consumer_count = 0;
  ConsumerId active;  // of a queue with a single active consumer; 0 when it has none
  // Names of those that bear on it; empty without.
  std::string policy;
  std::string operator_policy;
  // Filled by list() only.
  std::size_t memory_bytes = 0;  // what it takes, with the index of a log of its own
  QueueTraffic::Totals traffic;  // since the process began
  LengthRates length_rates;
};

struct Delivery {
  Sequence sequence;
  bool redelivered = false;
  std::uint32_t delivery_count = 1;  // this one included
  std::uint32_t failure_count = 0;   // of the deliveries before; counted by strict queues
  std::uint64_t ready_left = 0;      // filled by take() only
  model::StoredRecord record;
};

inline constexpr std::uint32_t credit_unlimited = std::numeric_limits<std::uint32_t>::max();

struct ConsumerSpec {
  ConnectionId connection;
  std::string tag;            // for whoever lists consumers
  bool exclusive = false;     // errors in_use when others consume
  bool auto_settle = false;   // deliveries need no settling
  std::int32_t priority = 0;  // higher first while it has credit
  std::uint32_t credit = 0;   // deliveries that it takes at first; see grant()
  std::function<void(std::vector<Delivery>)> sink;
  std::function<void()> on_gone;  // the queue was removed; no further delivery follows
};

enum class Settlement : std::uint8_t {
  complete,  // done
  release,   // back to its place, to be redelivered
  fail,      // the same, and the delivery counts as failed
  discard,   // refused: to the dead-letter exchange if there is one, else done
};

class Queues {
 public:
  struct State;  // broker/detail/queues_state.h

  explicit Queues(Broker& broker);
  ~Queues();

  // Creates the queue, and its log when there is no topic of its name yet: over an existing topic
  // it begins at the topic's start and never shortens it. When the queue exists: nothing is changed
  // and `created` is false; the caller compares settings. Errors: locked (exclusive to another
  // connection), not_found (source), wrong_type (the name is a key), no_space.
  struct Declared {
    bool created = false;
    QueueFacts facts;
    Commit commit;
  };
  Result<Declared> declare(const std::string& name, const QueueSettings& settings,
                           ConnectionId connection);
  std::optional<QueueFacts> find(std::string_view name);
  std::vector<QueueFacts> list() const;
  // Since the process began.
  EventCounts<QueuesEvent>::Totals churn() const;
  // How many queues in `scope` (base/scoped_name.h) this core has, with the logs that count as such
  // (Topics::let_policies_bear_on). Costs nothing.
  std::size_t count(std::string_view scope) const;
  // Of a log that counts as a queue; nothing else has any.
  struct LogTraffic {
    QueueTraffic::Totals counts;  // since the process began
    LengthRates length_rates;
  };
  LogTraffic log_traffic(std::string_view name) const;
  // What its readers did with so many of its records.
  void count_read(std::string_view log, QueueEvent event, std::uint64_t count);
  // The queue is in use: it does not go for being unused until its time has passed again.
  void touch(std::string_view name);

  struct RemoveConditions {
    bool if_unused = false;  // errors: in_use
    bool if_empty = false;   // errors: precondition_failed
  };
  struct RemovedQueue {
    std::uint64_t ready_count = 0;
    Commit commit;
  };
  // Its consumers' on_gone run; its bindings are removed from the catalog. Errors: not_found.
  Result<RemovedQueue> remove(std::string_view name, RemoveConditions conditions);
  // Settles all that is ready (not what is outstanding). Errors: not_found; no_space, io_error:
  // then nothing was settled.
  Result<RemovedQueue> purge(std::string_view name);

  // Errors: not_found, in_use (exclusive consumer there, or wanted while others are).
  Result<ConsumerId> subscribe(std::string_view name, ConsumerSpec spec);
  // What the consumer holds comes back as failed, unless `keep_outstanding` (then settle() or
  // release_all() must come). An auto-delete queue goes with its last consumer. Unknown ids change
  // nothing.
  void unsubscribe(std::string_view name, ConsumerId consumer, bool keep_outstanding);
  // Lets the consumer have `count` more deliveries.
  void grant(std::string_view name, ConsumerId consumer, std::uint32_t count);
  // Takes one record without a consumer. `holder` is used to release it when its connection ends:
  // new_holder() once a connection. Errors: not_found.
  Result<std::optional<Delivery>> take(std::string_view name, ConsumerId holder, bool auto_settle);
  ConsumerId new_holder();
  // What the holder has comes back as failed.
  void release_all(std::string_view name, ConsumerId holder);

  // Settles deliveries. Sequences that are not outstanding at `holder` are passed over: settled
  // before, purged, or of a queue that had the name before. Discarding with a dead-letter exchange
  // settles once the dead letter is durable where it went. Errors: no_space, io_error (the journal
  // has no place for it): what was not settled stays outstanding.
  Result<Commit> settle(std::string_view name, ConsumerId holder,
                        std::span<const Sequence> sequences, Settlement how);
  // What settling so many records of a queue takes in the journal at most.
  static std::uint64_t settled_size(std::string_view queue, std::uint64_t count);

  // Other policies bear on the queues of this core from now on: Catalog::policies().
  void on_policies();

  // Removes the exclusive queues of a connection that has ended.
  void remove_exclusive(ConnectionId connection);

  // --- for the broker ---------------------------------------------------------------------------
  void start();
  void stop();
  void end_round();
  // Whether the topic's queue takes what a publisher brings. What it refuses becomes a dead letter
  // where its settings say so. Requires: the topic has a gate.
  bool admits(Topic& topic, const model::NewRecord& record);
  void tick();
  // So many more records may be delivered.
  void on_visible(Topic& topic, std::uint64_t count);
  void on_trimmed(Topic& topic);
  void on_erased(Topic& topic);
  // The topic counts as a queue from now on: one that was there, or one that is new. Not twice.
  void adopt_log(Topic& topic);
  void on_log_created(Topic& topic);
  // It does not any more.
  void drop_log(Topic& topic);
  // The topic goes: so do all queues that read it.
  void detach_topic(Topic& topic);
  // Trims the queues' own logs to what is not settled yet.
  void trim_settled();

 private:
  friend struct Recovery;
  std::unique_ptr<State> state_;
};

}  // namespace trv::broker
