// ClaimGroups: the groups of a topic whose readers own what they were given until they settle it
// or another claims it; one model::ClaimGroups a topic. They go with their topic.
#pragma once

#include "broker/broker.h"
#include "broker/topics.h"
#include "model/claim_group.h"

namespace trv::broker {

class ClaimGroups {
 public:
  explicit ClaimGroups(Broker& broker) : broker_(broker) {}

  // Valid within the closure that found the topic.
  const model::ClaimGroups& of(const Topic& topic) const;
  // Journals an encoded command of the topic's groups and applies it. Destroying a group wakes the
  // topic's watchers. Requires: the command is one that apply() accepts in the present state.
  // Errors: no_space, io_error: then it is not applied.
  Result<Commit> execute(Topic& topic, ByteView command);
  // Not journaled; see model::ClaimGroups.
  void note_seen(Topic& topic, ByteView group, ByteView consumer);

 private:
  Broker& broker_;
};

}  // namespace trv::broker
