// Publisher: routes one message by the catalog's snapshot and appends it to every destination.
//
// Owner: the core's Broker; called on the publishing connection's core.
#pragma once

#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "broker/queues.h"
#include "model/record.h"
#include "model/router.h"

namespace trv::broker {

struct Publication {
  std::string_view exchange;
  std::string_view routing_key;
  // Further keys to route by (carbon copies); usually empty.
  std::span<const std::string_view> more_keys;
  // Queues that must not get it, though they are bound; usually empty.
  std::span<const std::string> left_queues;
  // For routing by headers; null when there are none.
  const model::HeaderLookup* headers = nullptr;
  bool waited = false;      // an exchange kept it back already: none does so again
  model::NewRecord record;  // origin message
};

struct Published {
  std::uint32_t routed = 0;  // destinations that took it, exchanges that keep it back included
  bool refused = false;      // by a queue that is full and does not drop
  Status status;             // of those that should have
};

// Publications and settlements that take effect together.
struct Unit {
  struct Publication {
    std::vector<std::string> targets;
    // Exchanges that keep it back, and for how long; and what it is routed by then.
    std::vector<std::string> delaying;
    std::int64_t delay_ms = 0;
    std::string routing_key;
    std::vector<std::string> more_keys;
    std::string value;
    std::string envelope;
    std::string partition_key;
    Durability level = Durability::fsync;
  };
  struct Settling {
    std::string queue;
    ConsumerId holder;
    std::vector<Sequence> sequences;
    Settlement how = Settlement::complete;
  };
  std::vector<Publication> publications;
  std::vector<Settling> settlings;
};

struct UnitOutcome {
  std::vector<std::uint32_t> routed;  // destinations that took it, by publication
  bool refused = false;               // by a queue that is full and does not drop
  Status status;
};

class Publisher {
 public:
  explicit Publisher(Broker& broker);
  ~Publisher();

  // Errors: not_found (no such exchange). Whether clients may publish to it is the caller's check.
  // When every destination is on this core (`pending` false): `published` tells the outcome and
  // `commit` what a confirm must wait for; `done` is not called. Else `done` runs later on this
  // core, when all destinations have it durably.
  struct Outcome {
    bool pending = false;
    Published published;
    Commit commit;
  };
  Result<Outcome> publish(const Publication& publication, UniqueFunction<void(Published)> done);

  // The publication as part of a unit, routed now; nowhere when there is no such exchange.
  Unit::Publication plan(const Publication& publication);
  // Does all that the unit holds, in its order, and runs `done` here once all of it is durable.
  // What of it lies on one core is there after a crash as a whole or not at all.
  void commit(Unit unit, UniqueFunction<void(UnitOutcome)> done);

 private:
  // Into targets_ and delaying_.
  bool find_targets(const Publication& publication);
  void keep_back(const Publication& publication, Outcome& outcome);

  Broker& broker_;
  // Re-used between calls.
  std::vector<std::string_view> keys_;
  std::vector<std::string_view> targets_;
  std::vector<std::string_view> delaying_;
};

}  // namespace trv::broker
