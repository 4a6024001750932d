// queue.declare, purge, delete. (Bindings are in exchange.cc.)
#include <numeric>

#include "amqp/access.h"
#include "amqp/arguments.h"
#include "amqp/census.h"
#include "amqp/direct_reply.h"
#include "amqp/handlers/handlers.h"
#include "amqp/handlers/routing.h"
#include "amqp/stream_queue.h"
#include "amqp/wire/table.h"
#include "auth/directory.h"
#include "base/mutant.h"
#include "base/scoped_name.h"

namespace trv::amqp {

using broker::Broker;
using broker::QueueFacts;
using wire::MethodId;

namespace {

std::uint32_t count_of(std::uint64_t n) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(n, 0xffffffffu));
}

struct DeclareReply {
  std::optional<Failure> failure;
  std::uint64_t message_count = 0;
  std::uint32_t consumer_count = 0;
};

DeclareReply reply_of(const QueueFacts& facts) {
  return {{}, facts.ready_count, facts.consumer_count};
}

DeclareReply refused(Failure failure) { return {std::move(failure), 0, 0}; }

bool locked(const QueueFacts& facts, ConnectionId connection) {
  if (TRV_MUTANT(exclusive_queue_open_to_others)) return false;
  return facts.settings.exclusive && facts.settings.owner != connection;
}

Answer<DeclareReply> declare_passively(Broker& owner, const std::string& name,
                                       ConnectionId connection) {
  if (const auto queue = owner.queues().find(name)) {
    owner.queues().touch(name);
    return {locked(*queue, connection) ? refused(queue_locked(name)) : reply_of(*queue)};
  }
  // A log that is no queue can be read as a stream.
  if (broker::Topic* topic = owner.topics().find(name)) {
    return {DeclareReply{{}, owner.topics().state(*topic).live_count(), 0}};
  }
  return {refused(no_queue(name))};
}

Answer<DeclareReply> declare_stream(Broker& owner, const std::string& name,
                                    const WantedQueue& wanted) {
  auto created = owner.topics().create(name, stream_log(wanted.settings));
  if (created) return {DeclareReply{}, created->commit};
  if (created.error().code == Errc::wrong_type) {
    return {refused(precondition(queue_resource(name) + " is a key, and no log"))};
  }
  return {refused(failure_of(created.error(), queue_resource(name)))};
}

Answer<DeclareReply> declare_actively(Broker& owner, const std::string& name,
                                      const WantedQueue& wanted, ConnectionId connection) {
  // Who removes a virtual host finds all that is in it: nothing is added once it is leaving.
  const std::string_view vhost = scope_of(name);
  const bool is_there = owner.catalog().access()->find_vhost(vhost) != nullptr;
  if (!is_there && !TRV_MUTANT(declared_in_a_leaving_vhost)) return {refused(no_vhost(vhost))};
  if (const auto queue = owner.queues().find(name)) {
    if (locked(*queue, connection)) return {refused(queue_locked(name))};
    if (auto difference = queue_difference(name, queue->settings, wanted.settings)) {
      return {refused(std::move(*difference))};
    }
    owner.queues().touch(name);
    return {reply_of(*queue), owner.tail()};
  }
  if (broker::Topic* log = owner.topics().find(name)) {
    const model::TopicSettings& settings = owner.topics().settings(*log);
    if (wanted.stream || stream_arguments(settings)) {
      auto difference = stream_difference(name, settings, wanted);
      if (difference) return {refused(std::move(*difference))};
      return {DeclareReply{{}, owner.topics().live_count(*log), 0}, owner.tail()};
    }
  }
  if (wanted.refusal) return {refused(*wanted.refusal)};
  if (wanted.stream) return declare_stream(owner, name, wanted);
  auto declared = owner.queues().declare(name, wanted.settings, connection);
  if (declared) return {reply_of(declared->facts), declared->commit};
  const Error& error = declared.error();
  if (error.code == Errc::wrong_type || error.code == Errc::already_exists) {
    return {refused(precondition(queue_resource(name) +
                                 " is another kind of log; read it as a stream, or declare a "
                                 "queue over it with argument x-trivium-source"))};
  }
  if (error.code == Errc::not_found) return {refused(no_queue(wanted.settings.source))};
  return {refused(failure_of(error, queue_resource(name)))};
}

struct NewQueue {
  std::string name;
  WantedQueue wanted;
  ConnectionId connection;
};
using DeclareAnswer = UniqueFunction<void(DeclareReply, Status)>;

std::optional<std::uint64_t> queue_limit(Broker& broker, std::string_view vhost) {
  return broker.catalog().access()->limit(auth::LimitScope::vhost, vhost, auth::Limit::queues);
}

Failure over_limit(std::string_view name, std::uint64_t limit) {
  const ScopedName parts = split_scoped(name);
  return precondition("cannot declare queue '" + std::string(parts.name) +
                      "': queue limit in vhost '" + std::string(parts.scope) + "' (" +
                      std::to_string(limit) + ") is reached");
}

// Where a queue over another log lives is told to all cores by the first; this comes behind it.
void when_placed(Broker& owner, UniqueFunction<void()> then) {
  owner.at(broker::Catalog::home, [back = owner.core().index(),
                                   then = std::move(then)](Broker& first) mutable {
    first.gather([](Broker&) { return 0; },
                 [&first, back, then = std::move(then)](const std::vector<int>&) mutable {
                   first.at_core(back, [then = std::move(then)](Broker&) mutable { then(); });
                 });
  });
}

template <class T>
UniqueFunction<void(T, Status)> once_placed(Broker& owner, UniqueFunction<void(T, Status)> reply) {
  return [&owner, reply = std::move(reply)](T value, Status status) mutable {
    when_placed(owner, [reply = std::move(reply), value = std::move(value),
                        status = std::move(status)]() mutable {
      reply(std::move(value), std::move(status));
    });
  };
}

void declare_and_answer(Broker& owner, const NewQueue& queue, DeclareAnswer reply) {
  auto answer = declare_actively(owner, queue.name, queue.wanted, queue.connection);
  if (!queue.wanted.settings.source.empty()) reply = once_placed(owner, std::move(reply));
  reply_when_durable(owner, std::move(answer), std::move(reply));
}

// Where there may be only so many queues on all cores, who adds one counts them first, and nobody
// else adds one meanwhile.
void declare_limited(Broker& owner, std::shared_ptr<const NewQueue> queue, Census* census,
                     DeclareAnswer reply) {
  const bool is_new = !owner.queues().find(queue->name) && !owner.topics().find(queue->name);
  if (!is_new || queue->wanted.refusal) {
    declare_and_answer(owner, *queue, std::move(reply));
    return;
  }
  const auto in_turn = [queue, census, place = owner.core().index()](
                           Broker& first, DeclareAnswer waiting,
                           const std::vector<std::size_t>& counts) {
    const auto limit = queue_limit(first, scope_of(queue->name));
    const std::uint64_t count = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    const bool full = limit && count >= *limit;
    first.at_core(
        place, [queue, census, full, limit, waiting = std::move(waiting)](Broker& there) mutable {
          if (full) {
            waiting(refused(over_limit(queue->name, *limit)), {});
          } else {
            declare_and_answer(there, *queue, std::move(waiting));
          }
          there.at_core(census->home(), [census](Broker&) { census->end_turn(); });
        });
  };
  owner.at_core(census->home(), [in_turn, census, vhost = std::string(scope_of(queue->name)),
                                 reply = std::move(reply)](Broker& first) mutable {
    census->take_turn([in_turn, &first, vhost = std::move(vhost),
                       reply = std::move(reply)]() mutable {
      first.gather([vhost = std::move(vhost)](Broker& each) { return each.queues().count(vhost); },
                   [in_turn, &first,
                    reply = std::move(reply)](const std::vector<std::size_t>& counts) mutable {
                     in_turn(first, std::move(reply), counts);
                   });
    });
  });
}

// Sends declare-ok, or fails the channel.
auto declared(ChannelRef ref, MethodId method, std::string name, bool no_wait) {
  return [ref, method, name = std::move(name), no_wait](Session& session, const DeclareReply& reply,
                                                        const Status& status) {
    Channel* channel = session.find_open(ref);
    if (!channel) return;
    if (reply.failure) {
      session.fail(*channel, method, *reply.failure);
    } else if (!status) {
      session.fail(*channel, method, failure_of(status.error(), queue_resource(name)));
    } else {
      channel->last_queue = name;
      if (no_wait) return;
      session.count(ChurnEvent::queue_declared);
      session.send(ref.number, wire::QueueDeclareOk{.queue = local_name(name),
                                                    .message_count = count_of(reply.message_count),
                                                    .consumer_count = reply.consumer_count});
    }
  };
}

}  // namespace

namespace {

// Who declares a queue may name it, and dead letters go where the user itself may write.
Refusal refuse_declaration(Session& session, const std::string& name,
                           const broker::QueueSettings& wanted) {
  if (auto refusal = refuse_queue(session, auth::Right::configure, name)) return refusal;
  if (!wanted.source.empty()) {
    if (auto refusal = refuse_queue(session, auth::Right::read, wanted.source)) return refusal;
  }
  if (!wanted.dead_letter_exchange) return std::nullopt;
  if (auto refusal = refuse_queue(session, auth::Right::read, name)) return refusal;
  return refuse_exchange(session, auth::Right::write, *wanted.dead_letter_exchange);
}

// The declaration with the type that the virtual host gives to queues that are declared without
// one, where such a queue may be of it. `kept` holds what is added.
wire::QueueDeclare with_type(Session& session, const wire::QueueDeclare& method,
                             std::string& kept) {
  const auth::Vhost* vhost = session.broker().catalog().access()->find_vhost(session.vhost());
  const bool may_be_any = method.durable && !method.exclusive && !method.auto_delete;
  const bool open = !wire::find_field(method.arguments, "x-queue-type");
  if (!vhost || vhost->queue_type == "classic" || !may_be_any || !open) return method;
  kept = method.arguments;
  wire::TableWriter(kept).add_text("x-queue-type", vhost->queue_type);
  wire::QueueDeclare typed = method;
  typed.arguments = kept;
  return typed;
}

// A reply address answers as a queue with a consumer while its channel has one.
void declare_reply_address(Session& session, Call call, const wire::QueueDeclare& method) {
  const std::string name(method.queue);
  const auto address = parse_reply_address(name);
  auto then = declared(call.channel.ref, call.method, name, method.no_wait);
  const auto& all = session.services().all_sessions;
  const bool reachable = address && address->core.value < all.size();
  if (name == direct_reply_queue || !reachable) {
    const bool exists = name == direct_reply_queue;
    then(session, exists ? DeclareReply{{}, 0, 1} : refused(no_queue(name)), {});
    return;
  }
  session.wait_for<bool>(
      [&session, to = *address,
       sessions = all[address->core.value]](UniqueFunction<void(bool)> reply) {
        Broker& broker = session.broker();
        const CoreIndex home = broker.core().index();
        broker.at_core(
            to.core, [home, to, sessions, reply = std::move(reply)](Broker& owner) mutable {
              Session* receiver = sessions->find(to.connection);
              Channel* channel = receiver ? receiver->find_open(to.channel) : nullptr;
              const Subscription* s = channel ? channel->find_reply_consumer() : nullptr;
              const bool exists = s && s->secret == to.secret;
              owner.post(home, [exists, reply = std::move(reply)]() mutable { reply(exists); });
            });
      },
      [name, then = std::move(then)](Session& asking, bool exists) {
        then(asking, exists ? DeclareReply{{}, 0, 1} : refused(no_queue(name)), {});
      });
}

}  // namespace

void handle(Session& session, Call call, const wire::QueueDeclare& method) {
  if (is_direct_reply(method.queue)) {
    declare_reply_address(session, call, method);
    return;
  }
  std::string name = session.queue_name(method.queue);
  const auto& catalog = session.broker().catalog();
  if (method.passive) {
    if (method.queue.empty()) {  // It does not stand for the last one declared here.
      session.fail(call.channel, call.method, no_queue(name));
      return;
    }
    if (const Refusal refusal = refuse_queue_sight(session, name)) {
      session.fail(call.channel, call.method, *refusal);
      return;
    }
    session.ask(
        catalog.locate(name),
        [name, connection = session.id()](Broker& owner) {
          return declare_passively(owner, name, connection);
        },
        declared(call.channel.ref, call.method, name, method.no_wait));
    return;
  }
  if (method.queue.starts_with("amq.")) {  // Also of one that is there.
    session.fail(call.channel, call.method, reserved_queue_name(method.queue));
    return;
  }
  if (method.queue.empty()) name = session.queue_name(generated_name("amq.gen-"));
  std::string arguments;
  WantedQueue wanted = wanted_queue(name, with_type(session, method, arguments));
  if (const Refusal refusal = refuse_declaration(session, name, wanted.settings)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  // A new queue over another log lives where that log does; one that exists is where it is.
  std::string location = catalog.locate(name);
  if (location == name && !wanted.settings.source.empty()) location = wanted.settings.source;
  const bool limited = queue_limit(session.broker(), session.vhost()).has_value();
  auto then = declared(call.channel.ref, call.method, name, method.no_wait);
  session.ask_later<DeclareReply>(
      location,
      [limited, census = session.services().census,
       queue = std::make_shared<const NewQueue>(NewQueue{name, std::move(wanted), session.id()})](
          Broker& owner, DeclareAnswer reply) {
        if (limited) {
          declare_limited(owner, queue, census, std::move(reply));
        } else {
          declare_and_answer(owner, *queue, std::move(reply));
        }
      },
      std::move(then));
}

namespace {

struct RemoveReply {
  std::optional<Failure> failure;
  std::uint64_t message_count = 0;
};

// Only what was declared as one: a log that others made is not theirs to delete who read it.
Answer<RemoveReply> remove_stream(Broker& owner, const std::string& name, broker::Topic& log,
                                  broker::Queues::RemoveConditions conditions) {
  if (!stream_arguments(owner.topics().settings(log))) {
    return {RemoveReply{precondition(queue_resource(name) + " is a log that is no queue"), 0}};
  }
  if (conditions.if_empty && owner.topics().live_count(log) > 0) {
    return {RemoveReply{precondition(queue_resource(name) + " not empty"), 0}};
  }
  auto removed = owner.topics().remove(name);
  if (!removed) return {RemoveReply{failure_of(removed.error(), queue_resource(name)), 0}};
  owner.at(broker::Catalog::home, [name](Broker& home) {
    home.catalog().clean_up(model::encode(model::RemoveTarget{name}));
  });
  return {RemoveReply{}, *removed};
}

Answer<RemoveReply> remove_at(Broker& owner, const std::string& name, ConnectionId connection,
                              broker::Queues::RemoveConditions conditions) {
  const auto queue = owner.queues().find(name);
  if (!queue) {
    broker::Topic* log = owner.topics().find(name);
    if (!log) return {RemoveReply{}};  // deleting what is not there is fine
    return remove_stream(owner, name, *log, conditions);
  }
  if (locked(*queue, connection)) return {RemoveReply{queue_locked(name), 0}};
  auto removed = owner.queues().remove(name, conditions);
  if (removed) return {RemoveReply{{}, removed->ready_count}, removed->commit};
  if (removed.error().code == Errc::precondition_failed) {
    return {RemoveReply{precondition(queue_resource(name) + " not empty"), 0}};
  }
  return {RemoveReply{failure_of(removed.error(), queue_resource(name)), 0}};
}

Answer<RemoveReply> purge_at(Broker& owner, const std::string& name, ConnectionId connection) {
  const auto queue = owner.queues().find(name);
  if (!queue) {
    if (!owner.topics().find(name)) return {RemoveReply{no_queue(name), 0}};
    return {
        RemoveReply{Failure{ReplyCode::not_implemented,
                            "queue.purge not supported by stream queues " + queue_resource(name)},
                    0}};
  }
  if (locked(*queue, connection)) return {RemoveReply{queue_locked(name), 0}};
  auto purged = owner.queues().purge(name);
  if (purged) return {RemoveReply{{}, purged->ready_count}, purged->commit};
  return {RemoveReply{failure_of(purged.error(), queue_resource(name)), 0}};
}

template <class Ok>
auto removed(ChannelRef ref, MethodId method, std::string name, bool no_wait) {
  return [ref, method, name = std::move(name), no_wait](Session& session, const RemoveReply& reply,
                                                        const Status& status) {
    Channel* channel = session.find_open(ref);
    if (!channel) return;
    if (reply.failure) {
      session.fail(*channel, method, *reply.failure);
    } else if (!status) {
      session.fail(*channel, method, failure_of(status.error(), queue_resource(name)));
    } else if (!no_wait) {
      session.send(ref.number, Ok{.message_count = count_of(reply.message_count)});
    }
  };
}

}  // namespace

void handle(Session& session, Call call, const wire::QueueDelete& method) {
  std::string name;
  Failure failure;
  if (!resolve_queue_name(session, call.channel, method.queue, name, failure)) {
    session.fail(call.channel, call.method, failure);
    return;
  }
  if (const Refusal refusal = refuse_queue(session, auth::Right::configure, name)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  session.ask_later<RemoveReply>(
      session.broker().catalog().locate(name),
      [name, connection = session.id(),
       conditions = broker::Queues::RemoveConditions{method.if_unused, method.if_empty}](
          Broker& owner, UniqueFunction<void(RemoveReply, Status)> reply) {
        const auto queue = owner.queues().find(name);
        if (queue && !queue->settings.source.empty()) reply = once_placed(owner, std::move(reply));
        reply_when_durable(owner, remove_at(owner, name, connection, conditions), std::move(reply));
      },
      removed<wire::QueueDeleteOk>(call.channel.ref, call.method, name, method.no_wait));
}

void handle(Session& session, Call call, const wire::QueuePurge& method) {
  std::string name;
  Failure failure;
  if (!resolve_queue_name(session, call.channel, method.queue, name, failure)) {
    session.fail(call.channel, call.method, failure);
    return;
  }
  if (const Refusal refusal = refuse_queue(session, auth::Right::read, name)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  session.ask(
      session.broker().catalog().locate(name),
      [name, connection = session.id()](Broker& owner) {
        return purge_at(owner, name, connection);
      },
      removed<wire::QueuePurgeOk>(call.channel.ref, call.method, name, method.no_wait));
}

}  // namespace trv::amqp
