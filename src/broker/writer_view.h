// WriterView: lets whoever runs several changes as one read what it has appended. While it lives,
// who reads a topic that it has opened by sequence and id sees all that was appended to it, durable
// or not; queues and readers by offset do not.
//
// Owner: who runs the changes, on its stack; nothing else reads on its core meanwhile. Requires:
//   - a topic is opened behind an append of this round, and the answer waits for that append: then
//     all that was seen is durable when it is told;
//   - nothing that is kept says that somebody has got what is not durable: others, who do not see
//     it yet, would take it for deleted.
#pragma once

#include <utility>
#include <vector>

#include "base/ids.h"

namespace trv::broker {

class Broker;
struct Topic;

class WriterView {
 public:
  explicit WriterView(Broker& broker) : broker_(broker) {}
  ~WriterView();
  WriterView(const WriterView&) = delete;
  WriterView& operator=(const WriterView&) = delete;

  void open(Topic& topic);
  // Whether some view has.
  static bool is_open(const Topic& topic);

 private:
  Broker& broker_;
  std::vector<std::pair<ShardId, TopicId>> opened_;  // they may be removed meanwhile
};

}  // namespace trv::broker
