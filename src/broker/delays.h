// Delays: publications that an exchange keeps back until their time, on one core.
//
// Owner: the core's Broker. A publication is kept by the core that its connection is on, in a shard
// of that core's own (docs/formats/delays.md). When it is due it is published to the exchange that
// kept it back, which then routes it; if that exchange is gone, so is the publication.
//
// Invariants:
//   - what was kept durably is published at least once; exactly once when all its destinations are
//     on this core, since publishing and ending are one round then;
//   - what could not be stored where it goes (a full disk) is tried again at all its destinations;
//   - what cannot be read, or never be stored there (too large), is kept until after a restart.
// What waits takes memory for an index entry each; the bytes stay in the journal.
#pragma once

#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/publisher.h"
#include "model/delays.h"

namespace trv::broker {

class Delays {
 public:
  explicit Delays(Broker& broker);
  ~Delays();

  // Keeps the publication back for `exchange`. Errors: as Broker::journal().
  Result<Commit> add(const Publication& publication, std::string_view exchange,
                     std::int64_t delay_ms);
  // What add() takes in the journal at most.
  static std::uint64_t added_size(const Publication& publication);

  // --- for the broker ---------------------------------------------------------------------------
  // Journals again what waits, so that its segment can go. False: it cannot be read, or has no
  // place in a journal file now, and stays where it is. Errors: as Broker::journal().
  Result<bool> move(ShardId shard, const model::Delayed& delayed);
  void start();
  void stop();

 private:
  struct Due {
    ShardId shard;
    model::Delayed delayed;
  };
  std::optional<Due> first() const;
  void arm();
  void publish_due();
  void publish(const Due& due);
  void end(const Due& due, const Status& published);
  void put_back_later(const Due& due);

  Broker& broker_;
  runtime::Timer timer_;
  std::int64_t armed_for_ms_ = 0;
  runtime::Timer retry_timer_;
  std::vector<Due> retries_;
  bool stopped_ = false;
  // Gives completions a way to see that this object is gone.
  std::shared_ptr<Delays*> self_ = std::make_shared<Delays*>(this);
};

}  // namespace trv::broker
