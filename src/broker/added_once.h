// AddedOnce: the names that a topic's producers gave to what they added to it; at most one
// model::AddedOnce a topic. They go with their topic.
#pragma once

#include "broker/broker.h"
#include "broker/topics.h"
#include "model/added_once.h"

namespace trv::broker {

class AddedOnce {
 public:
  explicit AddedOnce(Broker& broker) : broker_(broker) {}

  // Without what has expired; null when nothing was ever remembered. Valid within the closure that
  // found the topic, until the next command.
  const model::AddedOnce* find(Topic& topic) const;
  // Journals an encoded command about the topic's names and applies it.
  // Errors: as Broker::journal(): then it is not applied.
  Result<Commit> execute(Topic& topic, Space space, ByteView command);

 private:
  Broker& broker_;
};

}  // namespace trv::broker
