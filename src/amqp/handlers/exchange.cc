// exchange.declare, delete, bind, unbind; and binding queues, which is the same to the router.
#include "amqp/access.h"
#include "amqp/arguments.h"
#include "amqp/handlers/handlers.h"
#include "amqp/handlers/routing.h"
#include "amqp/wire/table.h"
#include "auth/directory.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "broker/queues.h"
#include "model/router.h"

namespace trv::amqp {

using broker::Broker;
using broker::Catalog;
using broker::Durable;
using wire::MethodId;

namespace {

// The catalog's owner answers nothing, or why not.
using Reply = UniqueFunction<void(Refusal, Status)>;

// Executes a validated command and answers once every core routes by it.
void execute(Broker& owner, const model::RouterCommand& command, Reply reply) {
  owner.catalog().execute(model::encode(command),
                          [reply = std::move(reply)](Result<Durable> visible) mutable {
                            reply({}, visible ? Status() : Status(visible.error()));
                          });
}

// Sends `ok`, or fails the channel.
template <class Ok>
auto answer(ChannelRef ref, MethodId method, bool no_wait, std::string resource) {
  return [ref, method, no_wait, resource = std::move(resource)](Session& session, Refusal refusal,
                                                                const Status& status) {
    Channel* channel = session.find_open(ref);
    if (!channel) return;
    if (refusal) {
      session.fail(*channel, method, *refusal);
    } else if (!status) {
      session.fail(*channel, method, failure_of(status.error(), resource));
    } else if (!no_wait) {
      session.send(ref.number, Ok{});
    }
  };
}

bool reserved(std::string_view name) { return local_name(name).starts_with("amq."); }

void declare_at(Broker& owner, const WantedExchange& wanted, Reply reply) {
  const model::Exchange& exchange = wanted.exchange;
  const std::string vhost(scope_of(exchange.name));
  if (!owner.catalog().access_state().find_vhost(vhost)) {
    reply(no_vhost(vhost), {});
  } else if (const model::Exchange* current = owner.catalog().state().find(exchange.name)) {
    reply(exchange_difference(*current, exchange), {});
  } else if (reserved(exchange.name)) {
    reply(reserved_exchange_name(local_name(exchange.name)), {});
  } else if (wanted.refusal) {
    reply(wanted.refusal, {});
  } else {
    execute(owner, model::DeclareExchange{exchange}, std::move(reply));
  }
}

// What an exchange routes nowhere goes where the user itself may write.
Refusal refuse_alternate(Session& session, const model::Exchange& exchange) {
  if (exchange.alternate.empty()) return std::nullopt;
  if (auto refusal = refuse_exchange(session, auth::Right::read, exchange.name)) return refusal;
  return refuse_exchange(session, auth::Right::write, exchange.alternate);
}

}  // namespace

void handle(Session& session, Call call, const wire::ExchangeDeclare& method) {
  if (method.exchange.empty()) {
    session.fail(call.channel, call.method, default_exchange_refused());
    return;
  }
  const std::string name = session.exchange_name(method.exchange);
  auto then = answer<wire::ExchangeDeclareOk>(call.channel.ref, call.method, method.no_wait,
                                              exchange_resource(name));
  if (method.passive) {
    if (const Refusal refusal = refuse_exchange_sight(session, name)) {
      session.fail(call.channel, call.method, *refusal);
      return;
    }
    session.ask_later<Refusal>(
        std::string(Catalog::home),
        [name](Broker& owner, Reply reply) {
          const bool there = owner.catalog().state().find(name) != nullptr;
          reply(there ? Refusal() : no_exchange(name), {});
        },
        std::move(then));
    return;
  }
  WantedExchange wanted = wanted_exchange(name, method);
  Refusal refusal = refuse_exchange(session, auth::Right::configure, name);
  if (!refusal) refusal = wanted.malformed;
  if (!refusal) refusal = refuse_alternate(session, wanted.exchange);
  if (refusal) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  session.ask_later<Refusal>(
      std::string(Catalog::home),
      [wanted = std::move(wanted)](Broker& owner, Reply reply) {
        declare_at(owner, wanted, std::move(reply));
      },
      std::move(then));
}

void handle(Session& session, Call call, const wire::ExchangeDelete& method) {
  const std::string name = session.exchange_name(method.exchange);
  if (name.empty()) {
    session.fail(call.channel, call.method, default_exchange_refused());
    return;
  }
  const std::string resource = exchange_resource(name);
  if (reserved(name)) {
    session.fail(call.channel, call.method,
                 {ReplyCode::access_refused, "deletion of system " + resource + " not allowed"});
    return;
  }
  if (const Refusal refusal = refuse_exchange(session, auth::Right::configure, name)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  session.ask_later<Refusal>(
      std::string(Catalog::home),
      [name, resource, if_unused = method.if_unused](Broker& owner, Reply reply) {
        if (!owner.catalog().state().find(name)) {
          reply({}, {});
        } else if (if_unused && owner.catalog().state().in_use(name)) {
          reply(precondition(resource + " in use"), {});
        } else {
          execute(owner, model::DeleteExchange{name}, std::move(reply));
        }
      },
      answer<wire::ExchangeDeleteOk>(call.channel.ref, call.method, method.no_wait, resource));
}

namespace {

// Checks the exchanges of a binding; the target's existence, when it is a queue, was checked
// before.
Refusal check_binding(const model::Router& router, model::Binding& binding, bool bind) {
  // There is no binding of what is not there, and that is what was asked for.
  const auto missing = [bind](const std::string& name) {
    return bind ? Refusal(no_exchange(name)) : std::nullopt;
  };
  const model::Exchange* source = router.find(binding.source);
  if (!source) return missing(binding.source);
  if (binding.to_exchange) {
    const model::Exchange* target = router.find(binding.target);
    if (!target) return missing(binding.target);
    binding.durable = target->durable;
  }
  binding.durable = binding.durable && source->durable;
  if (bind && source->kind == model::ExchangeKind::hash) return refuse_weight(binding.key);
  if (source->kind == model::ExchangeKind::headers) {
    Failure failure;
    auto rule = header_rule(binding.arguments, failure);
    if (!rule) return failure;
    binding.rule = std::move(*rule);
  }
  return {};
}

void change_binding(Broker& owner, model::Binding binding, bool bind, Reply reply) {
  const model::Router& router = owner.catalog().state();
  if (Refusal refusal = check_binding(router, binding, bind)) {
    reply(std::move(refusal), {});
  } else if (router.has_binding(binding) == bind) {
    reply({}, {});
  } else if (bind) {
    execute(owner, model::Bind{std::move(binding)}, std::move(reply));
  } else {
    execute(owner, model::Unbind{std::move(binding)}, std::move(reply));
  }
}

template <class Ok>
void ask_binding(Session& session, ChannelRef ref, MethodId method, bool no_wait,
                 model::Binding binding, bool bind) {
  auto then = answer<Ok>(ref, method, no_wait, exchange_resource(binding.source));
  session.ask_later<Refusal>(
      std::string(Catalog::home),
      [binding = std::move(binding), bind](Broker& owner, Reply reply) mutable {
        change_binding(owner, std::move(binding), bind, std::move(reply));
      },
      std::move(then));
}

// Whoever binds takes what the source has to where the target is.
Refusal refuse_binding(Session& session, const model::Binding& binding) {
  using auth::Right;
  Refusal refusal = binding.to_exchange ? refuse_exchange(session, Right::write, binding.target)
                                        : refuse_queue(session, Right::write, binding.target);
  if (!refusal) refusal = refuse_exchange(session, Right::read, binding.source);
  if (refusal) return refusal;
  const model::Exchange* source = session.broker().catalog().snapshot()->find(binding.source);
  return source ? refuse_key(session, Right::read, *source, binding.key) : std::nullopt;
}

template <class Ok, class Method>
void bind_exchange(Session& session, Call call, const Method& method, bool bind) {
  if (method.source.empty() || method.destination.empty()) {
    session.fail(call.channel, call.method, default_exchange_refused());
    return;
  }
  model::Binding binding;
  binding.source = session.exchange_name(method.source);
  binding.to_exchange = true;
  binding.target = session.exchange_name(method.destination);
  binding.key = method.routing_key;
  binding.arguments = wire::sorted_table(method.arguments);
  if (const Refusal refusal = refuse_binding(session, binding)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  ask_binding<Ok>(session, call.channel.ref, call.method, method.no_wait, std::move(binding), bind);
}

// First the queue's owner is asked about the queue, then the catalog's about the rest.
template <class Ok, class Method>
void bind_queue(Session& session, Call call, const Method& method, bool no_wait, bool bind) {
  model::Binding binding;
  Failure failure;
  if (!resolve_queue_name(session, call.channel, method.queue, binding.target, failure)) {
    session.fail(call.channel, call.method, failure);
    return;
  }
  if (method.exchange.empty()) {
    session.fail(call.channel, call.method, default_exchange_refused());
    return;
  }
  binding.source = session.exchange_name(method.exchange);
  // An unnamed queue is bound by its own name.
  const bool by_name = method.queue.empty() && method.routing_key.empty();
  binding.key = by_name ? local_name(binding.target) : method.routing_key;
  binding.arguments = wire::sorted_table(method.arguments);
  if (const Refusal refusal = refuse_binding(session, binding)) {
    session.fail(call.channel, call.method, *refusal);
    return;
  }
  const std::string queue = binding.target;
  ask_about_target(
      session, queue,
      [ref = call.channel.ref, id = call.method, no_wait, bind, binding = std::move(binding)](
          Session& asking, const TargetFacts& facts) mutable {
        Channel* channel = asking.find_open(ref);
        if (!channel) return;
        if (facts.locked) {
          asking.fail(*channel, id, queue_locked(binding.target));
        } else if (!facts.exists && bind) {
          const bool source = asking.broker().catalog().snapshot()->find(binding.source) != nullptr;
          asking.fail(*channel, id,
                      source ? no_queue(binding.target) : no_exchange(binding.source));
        } else {
          binding.durable = facts.durable;
          ask_binding<Ok>(asking, ref, id, no_wait, std::move(binding), bind);
        }
      });
}

}  // namespace

void handle(Session& session, Call call, const wire::ExchangeBind& method) {
  bind_exchange<wire::ExchangeBindOk>(session, call, method, true);
}
void handle(Session& session, Call call, const wire::ExchangeUnbind& method) {
  bind_exchange<wire::ExchangeUnbindOk>(session, call, method, false);
}
void handle(Session& session, Call call, const wire::QueueBind& method) {
  bind_queue<wire::QueueBindOk>(session, call, method, method.no_wait, true);
}
void handle(Session& session, Call call, const wire::QueueUnbind& method) {
  bind_queue<wire::QueueUnbindOk>(session, call, method, false, false);
}

}  // namespace trv::amqp
