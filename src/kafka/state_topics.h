// StateTopics: keeps the topics __consumer_offsets, __transaction_state and __share_group_state up
// with the committed offsets, transactions and share cursors of this core's shards, for tools that
// read them. The state itself is not in them (model/group_offsets.h, model/transaction.h,
// model/share_cursor.h): what changes there is put into the topic once it is durable, as a record
// of Kafka's coordinators.
//
// A topic is made when a client first asks for it by its name, and filled with all that there is;
// until then nothing is spent on it. When it is deleted, nothing is copied any more until it is
// asked for again.
//
// Owner: the core's Service. Invariants:
//   - every change gets into the topic at least once, also over a crash of either core; of changes
//     of one key that follow each other closely, perhaps only the last one, as after a compaction;
//   - the topic never tells what is not durable.
#pragma once

#include <memory>
#include <string>

#include "base/function.h"
#include "broker/broker.h"

namespace trv::kafka {

class StateTopics {
 public:
  explicit StateTopics(broker::Broker& broker);
  ~StateTopics();
  // Goes on with what was followed before. The brokers of all cores have started.
  void start();

  // Makes the topic, when it is one of these and not there, and then runs `done` here; at once when
  // there is nothing to make.
  static void provide(broker::Broker& here, const std::string& name, UniqueFunction<void()> done);

 private:
  template <class State>
  class Copier;
  struct Copiers;
  std::unique_ptr<Copiers> copiers_;
};

}  // namespace trv::kafka
