// The operations of the HTTP API, each as what a client would say.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "amqp/management/json_table.h"
#include "amqp/management/management.h"
#include "amqp/names.h"
#include "amqp/text.h"
#include "amqp/wire/table.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "broker/queues.h"
#include "broker/topics.h"

namespace trv::amqp {

using broker::Operation;
using broker::OperationResult;
using Kind = OperationResult::Kind;
using Verb = Operation::Verb;

namespace {

namespace json = boost::json;

constexpr std::chrono::seconds operation_time_max{20};
constexpr int taken_count_max = 10'000;
constexpr std::size_t taken_bytes_max = 64u << 20;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value || !value->is_string()) return {};
  return std::string(value->get_string());
}

// Some clients send flags as text.
bool flag_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (!value) return false;
  if (value->is_bool()) return value->get_bool();
  return value->is_string() && value->get_string() == "true";
}

// Empty when all flags are.
std::string refuse_flags(const json::object& object) {
  for (const char* name : {"durable", "auto_delete", "internal"}) {
    const json::value* value = object.if_contains(name);
    if (!value || value->is_bool()) continue;
    const bool as_text =
        value->is_string() && (value->get_string() == "true" || value->get_string() == "false");
    if (!as_text) return std::string(name) + " is not boolean";
  }
  return {};
}

// The arguments of a declaration or binding as a table.
Result<std::string> arguments_of(const json::object& object) {
  const json::value* value = object.if_contains("arguments");
  if (!value || value->is_null()) return std::string();
  // An empty list is how some clients write an empty table.
  if (value->is_array() && value->get_array().empty()) return std::string();
  if (!value->is_object()) return Error{Errc::invalid_argument, "arguments are no object"};
  return table_from_json(value->get_object());
}

OperationResult refused(std::string reason) { return {Kind::refused, std::move(reason), {}}; }

// Names longer than 255 bytes do not fit into a method.
bool names_fit(const json::object& arguments) {
  for (const char* name : {"name", "source", "target", "key", "type"}) {
    if (text_of(arguments, name).size() > 255) return false;
  }
  return true;
}

// The first one where none is named.
std::string vhost_of(const Operation& operation) {
  const std::string vhost = text_of(operation.arguments, "vhost");
  return vhost.empty() ? std::string(first_scope) : vhost;
}

bool queue_exists(broker::Broker& owner, const std::string& name) {
  if (owner.queues().find(name)) return true;
  return owner.topics().find(name) != nullptr;
}

}  // namespace

Management::Management(Services& services, const SessionOptions& options)
    : services_(services), options_(options) {
  home().post([this] { finish_removals(); });
}
Management::~Management() = default;

void Management::stop() {
  stopping_ = true;
  removal_retry_.cancel();
  for (auto& [id, running] : running_) {
    running.deadline.cancel();
    running.direct->finish({Kind::timed_out, "the broker stops", {}});
  }
  running_.clear();
}

void Management::converse(const Operation& operation, std::function<void(Direct&)> first,
                          Direct::Listener listener, Done done) {
  if (stopping_) return done({Kind::timed_out, "the broker stops", {}});
  // Apart from the ids of connections with a socket.
  const ConnectionId id((std::uint64_t{home().index().value} << 48) | (std::uint64_t{1} << 47) |
                        ++last_id_);
  Running& running = running_[id];
  running.direct =
      std::make_unique<Direct>(services_, id, options_, operation.user, vhost_of(operation),
                               std::move(listener), std::move(done), [this, id] { wake(id); });
  running.deadline = home().schedule(operation_time_max, [this, id] {
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    found->second.direct->finish({Kind::timed_out, "there was no answer in time", {}});
  });
  first(*running.direct);
  wake(id);
}

void Management::wake(ConnectionId id) {
  const auto found = running_.find(id);
  if (found == running_.end() || std::exchange(found->second.woken, true)) return;
  home().post([this, id] {
    const auto woken = running_.find(id);
    if (woken == running_.end()) return;
    woken->second.woken = false;
    woken->second.direct->run();
    // Nothing of it is on the stack here.
    if (woken->second.direct->finished()) running_.erase(woken);
  });
}

void Management::run(Operation operation, Done done) {
  if (operation.verb == Verb::put_vhost) return put_vhost(operation, std::move(done));
  if (operation.verb == Verb::delete_vhost) return delete_vhost(operation, std::move(done));
  if (!names_fit(operation.arguments)) return done(refused("a name is longer than 255 bytes"));
  std::string why = refuse_flags(operation.arguments);
  if (!why.empty()) return done(refused(std::move(why)));
  switch (operation.verb) {
    case Verb::bind:
    case Verb::unbind:
      return bind(operation, std::move(done));
    case Verb::publish:
      return publish(operation, std::move(done));
    case Verb::take:
      return take(operation, std::move(done));
    case Verb::declare_exchange:
    case Verb::delete_exchange: {
      const std::string name =
          exchange_in(vhost_of(operation), text_of(operation.arguments, "name"));
      const bool there = services_.broker.catalog().snapshot()->find(name) != nullptr;
      if (operation.verb == Verb::delete_exchange) return remove(operation, std::move(done), there);
      return declare(std::move(operation), std::move(done), there);
    }
    case Verb::declare_queue:
    case Verb::delete_queue:
    case Verb::purge_queue: {
      broker::Broker& broker = services_.broker;
      const std::string name = queue_in(vhost_of(operation), text_of(operation.arguments, "name"));
      broker.at(broker.catalog().locate(name),
                [this, name, operation = std::move(operation),
                 done = std::move(done)](broker::Broker& owner) mutable {
                  const bool there = queue_exists(owner, name);
                  owner.post(home().index(), [this, there, operation = std::move(operation),
                                              done = std::move(done)]() mutable {
                    if (operation.verb == Verb::declare_queue) {
                      return declare(std::move(operation), std::move(done), there);
                    }
                    remove(operation, std::move(done), there);
                  });
                });
      return;
    }
    case Verb::put_vhost:
    case Verb::delete_vhost:
      return;  // above
  }
}

void Management::declare(Operation operation, Done done, bool there) {
  auto table = arguments_of(operation.arguments);
  if (!table) return done(refused(table.error().message));
  auto say = [arguments = operation.arguments, verb = operation.verb,
              table = std::move(*table)](Direct& direct) {
    const std::string name = text_of(arguments, "name");
    const bool durable = flag_of(arguments, "durable");
    const bool auto_delete = flag_of(arguments, "auto_delete");
    if (verb == Verb::declare_queue) {
      direct.say(wire::QueueDeclare{
          .queue = name, .durable = durable, .auto_delete = auto_delete, .arguments = table});
      return;
    }
    const std::string given = text_of(arguments, "type");
    const std::string type = given.empty() ? "direct" : given;
    direct.say(wire::ExchangeDeclare{.exchange = name,
                                     .type = type,
                                     .durable = durable,
                                     .auto_delete = auto_delete,
                                     .internal = flag_of(arguments, "internal"),
                                     .arguments = table});
  };
  converse(
      operation, std::move(say),
      [there](Direct& direct, const Said&) {
        direct.finish({there ? Kind::done : Kind::created, "", {}});
      },
      std::move(done));
}

void Management::remove(const Operation& operation, Done done, bool there) {
  if (!there) return done({Kind::not_found, "Not Found", {}});
  auto say = [arguments = operation.arguments, verb = operation.verb](Direct& direct) {
    const std::string name = text_of(arguments, "name");
    const bool if_unused = flag_of(arguments, "if_unused");
    if (verb == Verb::purge_queue) {
      direct.say(wire::QueuePurge{.queue = name});
    } else if (verb == Verb::delete_queue) {
      direct.say(wire::QueueDelete{
          .queue = name, .if_unused = if_unused, .if_empty = flag_of(arguments, "if_empty")});
    } else {
      direct.say(wire::ExchangeDelete{.exchange = name, .if_unused = if_unused});
    }
  };
  converse(
      operation, std::move(say), [](Direct& direct, const Said&) { direct.finish({}); },
      std::move(done));
}

void Management::bind(const Operation& operation, Done done) {
  std::string table;
  if (const json::value* raw = operation.arguments.if_contains("table")) {
    // Of a binding that is there, with octets that JSON does not know.
    auto bytes = base64_decode(std::string_view(raw->as_string()));
    TRV_ASSERT(bytes.ok());
    table = std::move(*bytes);
  } else {
    auto given = arguments_of(operation.arguments);
    if (!given) return done(refused(given.error().message));
    table = std::move(*given);
  }
  const bool to_exchange = flag_of(operation.arguments, "to_exchange");
  auto say = [arguments = operation.arguments, binds = operation.verb == Verb::bind, to_exchange,
              table = std::move(table)](Direct& direct) {
    const std::string source = text_of(arguments, "source");
    const std::string target = text_of(arguments, "target");
    const std::string key = text_of(arguments, "key");
    const auto exchange = [&](auto method) {
      method.destination = target;
      method.source = source;
      method.routing_key = key;
      method.arguments = table;
      direct.say(method);
    };
    const auto queue = [&](auto method) {
      method.queue = target;
      method.exchange = source;
      method.routing_key = key;
      method.arguments = table;
      direct.say(method);
    };
    if (to_exchange) {
      binds ? exchange(wire::ExchangeBind{}) : exchange(wire::ExchangeUnbind{});
    } else {
      binds ? queue(wire::QueueBind{}) : queue(wire::QueueUnbind{});
    }
  };
  converse(
      operation, std::move(say), [](Direct& direct, const Said&) { direct.finish({}); },
      std::move(done));
}

void Management::publish(const Operation& operation, Done done) {
  const json::object& arguments = operation.arguments;
  const json::value* given = arguments.if_contains("properties");
  // An empty list is how some clients write no properties.
  const json::object none;
  const bool has_some = given && given->is_object();
  auto properties = properties_from_json(has_some ? given->get_object() : none);
  if (!properties) return done(refused(properties.error().message));
  std::string body = text_of(arguments, "payload");
  const std::string encoding = text_of(arguments, "payload_encoding");
  if (encoding == "base64") {
    auto bytes = base64_decode(body);
    if (!bytes) return done(refused("the payload is not base64"));
    body = std::move(*bytes);
  } else if (encoding != "string") {
    return done(refused("unsupported_encoding: " + encoding));
  }
  auto say = [exchange = text_of(arguments, "name"), key = text_of(arguments, "key"),
              properties = std::move(*properties), body = std::move(body)](Direct& direct) {
    direct.say(wire::ConfirmSelect{.no_wait = true});
    direct.say(wire::BasicPublish{.exchange = exchange, .routing_key = key, .mandatory = true});
    direct.say_content(properties, body);
  };
  const auto routed = [](bool was) {
    return OperationResult{Kind::done, "", json::object{{"routed", was}}};
  };
  auto listener = [routed](Direct& direct, const Said& said) {
    if (std::holds_alternative<wire::BasicReturn>(said.method)) {
      direct.finish(routed(false));
    } else if (std::holds_alternative<wire::BasicAck>(said.method)) {
      direct.finish(routed(true));
    } else if (std::holds_alternative<wire::BasicNack>(said.method)) {
      direct.finish(refused("rejected"));
    }
  };
  // Here, also a missing exchange is the request's fault.
  converse(operation, std::move(say), listener,
           [done = std::move(done)](OperationResult result) mutable {
             if (result.kind == Kind::not_found || result.kind == Kind::refused) {
               result.kind = Kind::refused;
               if (const json::object* closed = result.value.if_object()) {
                 result.reason = std::to_string(closed->at("code").to_number<int>()) + " " +
                                 std::string(closed->at("text").as_string());
               }
             }
             done(std::move(result));
           });
}

namespace {

// What is got of a queue, one message after the other.
struct Taking {
  std::string queue;
  std::int64_t count = 1;
  bool no_ack = false;
  bool requeue = true;
  bool as_text = true;  // where it is text
  std::optional<std::uint64_t> truncate;
  json::array messages;
  std::size_t bytes = 0;
  std::uint64_t last_tag = 0;

  void ask(Direct& direct) const { direct.say(wire::BasicGet{.queue = queue, .no_ack = no_ack}); }

  // Settles what was got, and closes: the answer to that says that it is done.
  void end(Direct& direct) const {
    if (last_tag != 0 && !no_ack) {
      direct.say(wire::BasicNack{.delivery_tag = last_tag, .multiple = true, .requeue = requeue});
    }
    direct.say(wire::ChannelClose{.reply_code = 200, .reply_text = "OK"});
  }

  void add(const wire::BasicGetOk& got, const Said& said) {
    wire::Properties properties;
    // Stored messages were checked when they came.
    TRV_ASSERT(wire::parse_properties(said.properties, properties));
    const ByteView shown = said.body.substr(0, truncate.value_or(ByteView::npos));
    const bool plain = as_text && is_utf8(shown);
    json::object message;
    message["payload_bytes"] = said.body.size();
    message["redelivered"] = got.redelivered;
    message["exchange"] = text_to_json(got.exchange);
    message["routing_key"] = text_to_json(got.routing_key);
    message["message_count"] = got.message_count;
    json::object shown_properties = properties_to_json(properties);
    // RabbitMQ's way to say that there are none.
    if (shown_properties.empty()) {
      message["properties"] = json::array();
    } else {
      message["properties"] = std::move(shown_properties);
    }
    message["payload"] = plain ? json::string(shown) : json::string(base64_encode(shown));
    message["payload_encoding"] = plain ? "string" : "base64";
    messages.push_back(std::move(message));
    bytes += said.body.size();
    last_tag = got.delivery_tag;
  }
  bool full() const { return std::ssize(messages) >= count || bytes >= taken_bytes_max; }
};

}  // namespace

void Management::take(const Operation& operation, Done done) {
  const json::object& arguments = operation.arguments;
  auto taking = std::make_shared<Taking>();  // shared by what is said first and the listener
  taking->queue = text_of(arguments, "name");
  taking->count = arguments.at("count").as_int64();
  if (taking->count < 0 || taking->count > taken_count_max) return done(refused("bad count"));
  const std::string mode = text_of(arguments, "ackmode");
  taking->no_ack = mode == "ack_requeue_false";
  taking->requeue = mode == "ack_requeue_true" || mode == "reject_requeue_true";
  if (!taking->no_ack && !taking->requeue && mode != "reject_requeue_false") {
    return done(refused("unknown ackmode " + mode));
  }
  taking->as_text = text_of(arguments, "encoding") == "auto";
  if (const json::value* cut = arguments.if_contains("truncate"); cut && cut->is_int64()) {
    taking->truncate = static_cast<std::uint64_t>(std::max<std::int64_t>(cut->get_int64(), 0));
  }
  converse(
      operation,
      [taking](Direct& direct) { taking->count == 0 ? taking->end(direct) : taking->ask(direct); },
      [taking](Direct& direct, const Said& said) {
        if (const auto* got = std::get_if<wire::BasicGetOk>(&said.method)) {
          taking->add(*got, said);
          taking->full() ? taking->end(direct) : taking->ask(direct);
        } else if (std::holds_alternative<wire::BasicGetEmpty>(said.method)) {
          taking->end(direct);
        } else if (std::holds_alternative<wire::ChannelCloseOk>(said.method)) {
          direct.finish({Kind::done, "", std::move(taking->messages)});
        }
      },
      std::move(done));
}

}  // namespace trv::amqp
