// Publisher: routes one message by the catalog's snapshot and appends it to every destination.
//
// Owner: the core's Broker; called on the publishing connection's core.
#pragma once

#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "model/record.h"
#include "model/router.h"

namespace trv::broker {

struct Publication {
  std::string_view exchange;
  std::string_view routing_key;
  // Further keys to route by (carbon copies); usually empty.
  std::span<const std::string_view> more_keys;
  // For routing by headers; null when there are none.
  const model::HeaderLookup* headers = nullptr;
  model::NewRecord record;  // origin message
};

struct Published {
  std::uint32_t routed = 0;  // destinations that took it
  Status status;             // of those that should have
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

 private:
  Broker& broker_;
  // Re-used between calls.
  std::vector<std::string_view> keys_;
  std::vector<std::string_view> targets_;
};

}  // namespace trv::broker
