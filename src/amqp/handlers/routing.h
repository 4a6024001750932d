// What several handlers ask about a queue before they act on it.
#pragma once

#include <string>

#include "amqp/session.h"
#include "broker/catalog.h"
#include "broker/queues.h"
#include "broker/topics.h"
#include "model/topic.h"

namespace trv::amqp {

// The queue meant by a method, by the broker's name: an empty one is the channel's last declared
// queue.
inline bool resolve_queue_name(const Session& session, const Channel& channel, ByteView given,
                               std::string& name, Failure& failure) {
  name = given.empty() ? channel.last_queue : session.queue_name(given);
  if (!name.empty()) return true;
  failure = no_previous_queue();
  return false;
}

// Where a binding leads to: a queue, or any log.
struct TargetFacts {
  bool exists = false;
  bool locked = false;  // somebody else's exclusive queue
  bool durable = true;
};

template <class Then>
void ask_about_target(Session& session, const std::string& name, Then then) {
  session.ask(
      session.broker().catalog().locate(name),
      [name, connection = session.id()](broker::Broker& owner) {
        TargetFacts facts;
        if (const auto queue = owner.queues().find(name)) {
          facts.exists = true;
          facts.locked = queue->settings.exclusive && queue->settings.owner != connection;
          facts.durable = queue->settings.durable && !queue->settings.exclusive;
        } else if (broker::Topic* topic = owner.topics().find(name)) {
          facts.exists = true;
          facts.durable = !owner.topics().state(*topic).settings().transient;
        }
        return Answer<TargetFacts>{facts};
      },
      [then = std::move(then)](Session& asking, const TargetFacts& facts, const Status&) mutable {
        then(asking, facts);
      });
}

}  // namespace trv::amqp
