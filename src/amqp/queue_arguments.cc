// The arguments of queue.declare: which there are, what they mean to the broker, and when two
// declarations agree.
#include <algorithm>
#include <array>

#include "amqp/arguments.h"
#include "amqp/convert.h"
#include "amqp/names.h"
#include "amqp/wire/table.h"
#include "base/age.h"
#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

constexpr std::int64_t ten_years_ms = 315'360'000'000;
constexpr std::int64_t level_max = 255;
constexpr std::int64_t segment_size_max = 3'000'000'000;
constexpr std::int64_t filter_size_min = 16;
constexpr std::int64_t filter_size_max = 255;
// What a quorum queue allows that does not say otherwise.
constexpr std::uint32_t failures_max_default = 20;

enum class Kind : std::uint8_t {
  time,      // milliseconds, not negative
  life,      // milliseconds, positive
  count,     // not negative
  level,     // 0 to 255
  limit,     // an integer; negative: none
  flag,      // bool
  text,      // long string
  exchange,  // the same, refused in other words
  overflow,  // one of three words
  strategy,  // of dead letters: at-most-once, at-least-once
  age,       // a number and its unit
  segment,   // bytes, up to 3 GB
  filter,    // bytes, 16 to 255
};
enum Types : std::uint8_t {
  classic = 1,
  quorum = 2,
  stream = 4,
  both = classic | quorum,
  all = both | stream,
};
struct Row {
  std::string_view name;
  Kind kind;
  Types types;  // of queues that know it
};
// Compared when a queue is declared again. Others are accepted and mean nothing, as in RabbitMQ.
constexpr Row queue_arguments[] = {
    {"x-expires", Kind::life, both},
    {"x-message-ttl", Kind::time, both},
    {"x-dead-letter-exchange", Kind::exchange, both},
    {"x-dead-letter-routing-key", Kind::text, both},
    {"x-max-length", Kind::count, both},
    {"x-max-length-bytes", Kind::count, all},
    {"x-overflow", Kind::overflow, both},
    {"x-max-priority", Kind::level, classic},
    {"x-single-active-consumer", Kind::flag, both},
    {"x-delivery-limit", Kind::limit, quorum},
    {"x-dead-letter-strategy", Kind::strategy, quorum},
    {"x-trivium-source", Kind::text, classic},
    {"x-consumer-timeout", Kind::life, all},
    {"x-max-age", Kind::age, stream},
    {"x-stream-max-segment-size-bytes", Kind::segment, stream},
    {"x-stream-filter-size-bytes", Kind::filter, stream},
};

Failure invalid(std::string_view name, const std::string& resource, std::string_view why) {
  return precondition("invalid arg '" + std::string(name) + "' for " + resource + ": " +
                      std::string(why));
}

std::string not_an_integer(const wire::Value& value) {
  return std::string("\"expected integer, got ") + wire::type_name(value.type) + "\"";
}

std::string unacceptable(const wire::Value& value) {
  return std::string("{unacceptable_type,") + wire::type_name(value.type) + "}";
}

std::string with_number(const char* what, std::int64_t number) {
  return std::string("{") + what + "," + std::to_string(number) + "}";
}

std::optional<std::int64_t> integer_of(const wire::Value& value) {
  return value.type == 'T' ? std::nullopt : value.integer();
}

// Why the number must not be; empty when it may.
std::string refuse_number(Kind kind, std::int64_t number) {
  if (kind == Kind::limit) return {};
  if (number < 0) return with_number("value_negative", number);
  const bool is_time = kind == Kind::time || kind == Kind::life;
  if (kind == Kind::life && number == 0) return with_number("value_zero", number);
  if (is_time && number > ten_years_ms) return with_number("value_too_large", number);
  if (kind == Kind::level && number > level_max) return with_number("max_value_exceeded", number);
  return {};
}

std::string refuse_overflow(const wire::Value& value) {
  if (value.type != 'S') return unacceptable(value);
  for (const char* word : {"drop-head", "reject-publish", "reject-publish-dlx"}) {
    if (value.raw == word) return {};
  }
  return "invalid_overflow";
}

std::string refuse_strategy(const wire::Value& value) {
  if (value.type != 'S') return unacceptable(value);
  const bool known = value.raw == "at-most-once" || value.raw == "at-least-once";
  return known ? "" : "invalid_dlx_strategy";
}

std::string refuse_age(const wire::Value& value) {
  if (value.type != 'S') return unacceptable(value);
  return parse_age(value.raw) ? "" : "invalid_max_age";
}

// Why the value must not be; empty when it may.
std::string refuse(const Row& row, const wire::Value& value) {
  switch (row.kind) {
    case Kind::text:
    case Kind::exchange:
      if (value.type != 'S') return unacceptable(value);
      return value.raw.size() <= 255 ? "" : "\"longer than 255 bytes\"";
    case Kind::flag:
      return value.type == 't' ? "" : unacceptable(value);
    case Kind::overflow:
      return refuse_overflow(value);
    case Kind::strategy:
      return refuse_strategy(value);
    case Kind::age:
      return refuse_age(value);
    case Kind::time:
    case Kind::life:
    case Kind::count:
    case Kind::level:
    case Kind::segment:
    case Kind::filter:
    case Kind::limit: {
      const auto number = integer_of(value);
      return number ? refuse_number(row.kind, *number) : not_an_integer(value);
    }
  }
  return {};
}

Types type_of(ByteView word) {
  if (word == "quorum") return quorum;
  return word == "stream" ? stream : classic;
}

std::optional<Failure> check_type(ByteView arguments, const std::string& resource, Types& type) {
  type = classic;
  const auto value = wire::find_field(arguments, "x-queue-type");
  if (!value) return std::nullopt;
  if (value->type != 'S') return invalid("x-queue-type", resource, unacceptable(*value));
  type = type_of(value->raw);
  if (type != classic || value->raw == "classic") return std::nullopt;
  return invalid("x-queue-type", resource,
                 "\"unsupported queue type '" + wire::to_text(*value) + "'\"");
}

const char* module_of(Types type) {
  if (type == stream) return "rabbit_stream_queue";
  return type == quorum ? "rabbit_quorum_queue" : "rabbit_classic_queue";
}

Failure foreign(std::string_view name, const std::string& resource, Types type) {
  return precondition("invalid arg '" + std::string(name) + "' for " + resource +
                      " of queue type " + module_of(type));
}

std::optional<Failure> check_properties(const wire::QueueDeclare& method,
                                        const std::string& resource) {
  const char* property = method.exclusive     ? "exclusive-owner"
                         : !method.durable    ? "non-durable"
                         : method.auto_delete ? "auto-delete"
                                              : nullptr;
  if (!property) return std::nullopt;
  return precondition(std::string("invalid property '") + property + "' for " + resource);
}

// What is right alone and wrong together.
std::optional<Failure> check_together(ByteView arguments, const std::string& resource, Types type) {
  const auto overflow = wire::find_field(arguments, "x-overflow");
  if (wire::find_field(arguments, "x-dead-letter-routing-key") &&
      !wire::find_field(arguments, "x-dead-letter-exchange")) {
    return invalid("x-dead-letter-routing-key", resource, "routing_key_but_no_dlx_defined");
  }
  if (type == quorum && overflow && overflow->raw == "reject-publish-dlx") {
    return foreign("x-overflow", resource, type);
  }
  // Others write to that log too, who know of no queue.
  if (overflow && overflow->raw != "drop-head" && wire::find_field(arguments, "x-trivium-source")) {
    return invalid("x-overflow", resource, "a queue over another log can only drop-head");
  }
  return std::nullopt;
}

// What is refused in words of its own: sizes that a stream cannot have.
std::optional<Failure> refuse_stream_size(const Row& row, const wire::Value& value) {
  const auto number = integer_of(value);
  if (!number || *number < 0) return std::nullopt;
  if (row.kind == Kind::segment && *number > segment_size_max) {
    return precondition("Exceeded max value for " + std::string(row.name));
  }
  if (row.kind == Kind::filter && (*number < filter_size_min || *number > filter_size_max)) {
    return precondition("Invalid value for  " + std::string(row.name));
  }
  return std::nullopt;
}

std::optional<Failure> check_arguments(const wire::QueueDeclare& method,
                                       const std::string& resource, Types& type) {
  if (auto failure = check_type(method.arguments, resource, type)) return failure;
  if (type != classic) {
    if (method.queue.empty()) {
      return precondition(std::string("Cannot declare a server-named queue for type ") +
                          module_of(type));
    }
    if (auto failure = check_properties(method, resource)) return failure;
  }
  for (const Row& row : queue_arguments) {
    const auto value = wire::find_field(method.arguments, row.name);
    if (!value) continue;
    if ((row.types & type) == 0) return foreign(row.name, resource, type);
    const std::string why = refuse(row, *value);
    if (auto failure = refuse_stream_size(row, *value)) return failure;
    if (why.empty()) continue;
    if (row.kind == Kind::exchange && value->type != 'S') {
      return precondition(std::string("invalid type '") + wire::type_name(value->type) +
                          "' for arg '" + std::string(row.name) + "' in " + resource);
    }
    return invalid(row.name, resource, why);
  }
  return check_together(method.arguments, resource, type);
}

std::string described(const wire::Value& value) {
  return "the value '" + wire::to_text(value) + "' of type '" + wire::type_name(value.type) + "'";
}

bool equal_values(const wire::Value& a, const wire::Value& b) {
  return header_value(a) == header_value(b);
}

const char* word(bool flag) { return flag ? "true" : "false"; }

// How an argument differs between two declarations; nothing when it does not.
std::optional<Failure> argument_difference(std::string_view name, const std::string& resource,
                                           const std::optional<wire::Value>& current,
                                           const std::optional<wire::Value>& wanted) {
  if (!current && !wanted) return std::nullopt;
  if (current && wanted) {
    if (equal_values(*current, *wanted)) return std::nullopt;
    return inequivalent(name, resource, wire::to_text(*wanted), wire::to_text(*current));
  }
  return precondition("inequivalent arg '" + std::string(name) + "' for " + resource +
                      ": received " + (wanted ? described(*wanted) : "none") + " but current is " +
                      (current ? described(*current) : "none"));
}

Types type_of(const broker::QueueSettings& settings) {
  const auto type = wire::find_field(settings.arguments, "x-queue-type");
  return type ? type_of(type->raw) : classic;
}

model::Overflow overflow_of(ByteView arguments) {
  const auto value = wire::find_field(arguments, "x-overflow");
  if (!value || value->raw == "drop-head") return model::Overflow::drop_oldest;
  return value->raw == "reject-publish" ? model::Overflow::refuse
                                        : model::Overflow::refuse_to_dead_letters;
}

std::optional<std::uint32_t> failures_max(const std::optional<wire::Value>& limit) {
  if (!limit) return failures_max_default;
  const std::int64_t number = *limit->integer();
  if (number < 0) return std::nullopt;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(number, UINT32_MAX));
}

// Requires: the arguments were checked.
void read_arguments(std::string_view vhost, ByteView arguments, Types type,
                    broker::QueueSettings& settings) {
  const auto find = [&](std::string_view name) { return wire::find_field(arguments, name); };
  const auto text = [&](std::string_view name) -> std::optional<std::string> {
    const auto value = find(name);
    if (!value) return std::nullopt;
    return std::string(value->raw);
  };
  const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto value = find(name);
    if (!value) return std::nullopt;
    return value->integer();
  };
  if (const auto source = text("x-trivium-source"); source && !source->empty()) {
    settings.source = queue_in(vhost, *source);
  }
  if (const auto exchange = text("x-dead-letter-exchange")) {
    settings.dead_letter_exchange = exchange_in(vhost, *exchange);
  }
  settings.dead_letter_key = text("x-dead-letter-routing-key");
  if (const auto strategy = text("x-dead-letter-strategy")) {
    settings.dead_letters_stay = strategy == "at-least-once";
  }
  settings.message_ttl_ms = number("x-message-ttl");
  settings.unused_ms_max = number("x-expires");
  settings.limits.count_max = number("x-max-length");
  settings.limits.bytes_max = number("x-max-length-bytes");
  settings.limits.overflow = overflow_of(arguments);
  settings.level_max = static_cast<std::uint8_t>(number("x-max-priority").value_or(0));
  const auto single = find("x-single-active-consumer");
  settings.single_active = single && single->boolean().value_or(false);
  settings.strict = type == quorum;
  if (settings.strict) settings.failures_max = failures_max(find("x-delivery-limit"));
}

}  // namespace

WantedQueue wanted_queue(std::string_view name, const wire::QueueDeclare& method) {
  WantedQueue wanted;
  broker::QueueSettings& settings = wanted.settings;
  settings.exclusive = method.exclusive;
  // An exclusive queue does not outlive its connection, let alone the process.
  settings.durable = method.durable && !method.exclusive;
  settings.auto_delete = method.auto_delete;
  settings.arguments = method.arguments;
  Types type = classic;
  wanted.refusal = check_arguments(method, queue_resource(name), type);
  wanted.stream = type == stream;
  if (!wanted.refusal && type != stream) {
    read_arguments(scope_of(name), method.arguments, type, settings);
  }
  return wanted;
}

std::optional<std::chrono::milliseconds> settle_time_max(ByteView arguments) {
  const auto value = wire::find_field(arguments, "x-consumer-timeout");
  if (!value || !value->integer()) return std::nullopt;
  return std::chrono::milliseconds(*value->integer());
}

std::optional<Failure> queue_difference(std::string_view name, const broker::QueueSettings& current,
                                        const broker::QueueSettings& wanted) {
  const std::string resource = queue_resource(name);
  if (current.exclusive != wanted.exclusive) return queue_locked(name);
  if (current.durable != wanted.durable) {
    return inequivalent("durable", resource, word(wanted.durable), word(current.durable));
  }
  if (current.auto_delete != wanted.auto_delete) {
    return inequivalent("auto_delete", resource, word(wanted.auto_delete),
                        word(current.auto_delete));
  }
  if (type_of(current) != type_of(wanted)) {
    return argument_difference("x-queue-type", resource,
                               wire::find_field(current.arguments, "x-queue-type"),
                               wire::find_field(wanted.arguments, "x-queue-type"));
  }
  for (const Row& row : queue_arguments) {
    if ((row.types & type_of(current)) == 0) continue;
    auto failure =
        argument_difference(row.name, resource, wire::find_field(current.arguments, row.name),
                            wire::find_field(wanted.arguments, row.name));
    if (failure) return failure;
  }
  return std::nullopt;
}

}  // namespace trv::amqp
