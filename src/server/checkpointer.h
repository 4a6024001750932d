// Checkpointer: writes a checkpoint whenever the journals have grown by a few segments, and then
// gives back the segments that hold nothing any more. So a start reads little and the disk holds
// little that is dead.
//
// Owner: Node, one for all cores. It lives on the first core and visits the others by messages;
// each of them takes its shards' sections one shard at a time, so that nobody waits for long. At
// most one checkpoint is under way. A failed one is logged and tried again later: recovery then
// reads more of the journal.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "broker/broker.h"
#include "runtime/core.h"
#include "storage/store.h"

namespace trv::server {

class Checkpointer {
 public:
  // All outlive the Checkpointer. Requires: the brokers have recovered.
  Checkpointer(storage::Store& store, std::vector<broker::Broker*> brokers);

  // On the first core.
  void start();
  // On the first core; what is under way is given up.
  void stop();

 private:
  // Shared by the messages of one checkpoint, which may outlive stop().
  struct Run;

  bool due() const;
  void watch();
  void begin();
  static void take_shards(const std::shared_ptr<Run>& run, broker::Broker& broker, int shard);
  static void finish_core(const std::shared_ptr<Run>& run, broker::Broker& broker);
  void on_core_done(const std::shared_ptr<Run>& run);
  void write(const std::shared_ptr<Run>& run);

  storage::Store& store_;
  std::vector<broker::Broker*> brokers_;
  std::vector<std::uint64_t> segments_;  // active at the last checkpoint, by core
  std::shared_ptr<Run> run_;             // under way, or null
  runtime::Timer timer_;
};

}  // namespace trv::server
