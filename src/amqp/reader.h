// StreamReaders: the readers of one core's topics that are not queues, for consumers that read such
// a log as a stream: in order, from a chosen place, without taking anything out of it.
//
// Owner: the core's Server. A reader lives on the core of its topic; its sink hands deliveries on
// to the session's core. It delivers only while it has credit, so it holds nothing in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "amqp/stream_filter.h"
#include "broker/broker.h"
#include "broker/queues.h"
#include "broker/topics.h"

namespace trv::amqp {

// Where to begin.
struct StreamStart {
  enum class Kind : std::uint8_t { first, last, next, sequence, time };
  Kind kind = Kind::next;
  std::int64_t value = 0;  // sequence, or milliseconds since the epoch
};

class StreamReaders {
 public:
  explicit StreamReaders(broker::Broker& broker) : broker_(broker) {}
  ~StreamReaders();
  StreamReaders(const StreamReaders&) = delete;
  StreamReaders& operator=(const StreamReaders&) = delete;

  using Sink = std::function<void(std::vector<broker::Delivery>)>;
  // Begins without credit. `on_gone` runs when the topic was removed. Errors: not_found.
  // With a filter, the rest counts as read: it takes no credit, and is passed over in steps that do
  // not keep the core for long.
  Result<ConsumerId> open(const std::string& topic, StreamStart start,
                          std::optional<StreamFilter> filter, Sink sink,
                          std::function<void()> on_gone);
  // Lets the reader deliver `count` more, in later handlers. Unknown ids change nothing.
  void grant(ConsumerId id, std::uint32_t count);
  void close(ConsumerId id);
  void stop();

 private:
  struct Reader {
    std::string topic;
    TopicId topic_id;
    std::optional<StreamFilter> filter;
    Sequence next;
    std::uint32_t credit = 0;
    broker::WatchId watch = 0;
    bool watching = false;
    bool scheduled = false;  // pump() will run in a later handler
    Sink sink;
    std::function<void()> on_gone;
  };

  void schedule(ConsumerId id, Reader& reader);
  void pump(ConsumerId id);
  void end_gone(ConsumerId id);
  void wait(ConsumerId id, Reader& reader);
  // Pumps on when what is there comes from the disk.
  void await(ConsumerId id, Reader& reader, BlobRange cold);

  broker::Broker& broker_;
  std::uint64_t last_id_ = 0;
  // Gives posted closures a way to see that this object is gone.
  std::shared_ptr<StreamReaders*> self_ = std::make_shared<StreamReaders*>(this);
  std::unordered_map<ConsumerId, Reader> readers_;
};

}  // namespace trv::amqp
