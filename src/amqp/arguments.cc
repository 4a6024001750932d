#include "amqp/arguments.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "amqp/convert.h"
#include "amqp/wire/table.h"

namespace trv::amqp {

namespace {

constexpr std::int64_t ten_years_ms = 315'360'000'000;

enum class Kind : std::uint8_t {
  time,     // milliseconds, not negative
  text,     // long string
  refused,  // known, and not built
};
struct Row {
  std::string_view name;
  Kind kind;
};
// Compared when a queue is declared again. Others are accepted and mean nothing, as in RabbitMQ.
constexpr Row queue_arguments[] = {
    {"x-message-ttl", Kind::time},
    {"x-dead-letter-exchange", Kind::text},
    {"x-dead-letter-routing-key", Kind::text},
    {"x-trivium-source", Kind::text},
    {"x-expires", Kind::refused},
    {"x-max-length", Kind::refused},
    {"x-max-length-bytes", Kind::refused},
    {"x-overflow", Kind::refused},
    {"x-max-priority", Kind::refused},
    {"x-single-active-consumer", Kind::refused},
    {"x-delivery-limit", Kind::refused},
    {"x-dead-letter-strategy", Kind::refused},
    {"x-consumer-timeout", Kind::refused},
    {"x-max-age", Kind::refused},
    {"x-stream-max-segment-size-bytes", Kind::refused},
    {"x-stream-filter-size-bytes", Kind::refused},
};

Failure invalid(std::string_view name, const std::string& resource, std::string_view why) {
  return precondition("invalid arg '" + std::string(name) + "' for " + resource + ": " +
                      std::string(why));
}

std::optional<Failure> check(const Row& row, const wire::Value& value,
                             const std::string& resource) {
  switch (row.kind) {
    case Kind::refused:
      return invalid(row.name, resource, "not implemented");
    case Kind::text:
      if (value.type == 'S' && value.raw.size() <= 255) return std::nullopt;
      return invalid(row.name, resource,
                     std::string("\"expected string, got ") + wire::type_name(value.type) + "\"");
    case Kind::time: {
      const auto number = value.type == 'T' ? std::nullopt : value.integer();
      if (!number) {
        return invalid(
            row.name, resource,
            std::string("\"expected integer, got ") + wire::type_name(value.type) + "\"");
      }
      const char* what = *number < 0              ? "{value_negative,"
                         : *number > ten_years_ms ? "{value_too_large,"
                                                  : nullptr;
      if (what) return invalid(row.name, resource, what + std::to_string(*number) + "}");
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<Failure> check_arguments(ByteView arguments, const std::string& resource) {
  for (const Row& row : queue_arguments) {
    const auto value = wire::find_field(arguments, row.name);
    if (!value) continue;
    if (auto failure = check(row, *value, resource)) return failure;
  }
  const auto type = wire::find_field(arguments, "x-queue-type");
  if (type && (type->type != 'S' || type->raw != "classic")) {
    return invalid("x-queue-type", resource,
                   "only 'classic' is implemented, got '" + wire::to_text(*type) + "'");
  }
  if (wire::find_field(arguments, "x-dead-letter-routing-key") &&
      !wire::find_field(arguments, "x-dead-letter-exchange")) {
    return invalid("x-dead-letter-routing-key", resource, "routing_key_but_no_dlx_defined");
  }
  return std::nullopt;
}

std::string described(const wire::Value& value) {
  return "the value '" + wire::to_text(value) + "' of type '" + wire::type_name(value.type) + "'";
}

bool equal_values(const wire::Value& a, const wire::Value& b) {
  return header_value(a) == header_value(b);
}

const char* word(bool flag) { return flag ? "true" : "false"; }

}  // namespace

std::optional<broker::QueueSettings> queue_settings(std::string_view name,
                                                    const wire::QueueDeclare& method,
                                                    Failure& failure) {
  if (auto refused = check_arguments(method.arguments, queue_resource(name))) {
    failure = std::move(*refused);
    return std::nullopt;
  }
  broker::QueueSettings settings;
  settings.exclusive = method.exclusive;
  // An exclusive queue does not outlive its connection, let alone the process.
  settings.durable = method.durable && !method.exclusive;
  settings.auto_delete = method.auto_delete;
  settings.arguments = method.arguments;
  const auto text = [&](std::string_view argument) -> std::optional<std::string> {
    const auto value = wire::find_field(method.arguments, argument);
    if (!value) return std::nullopt;
    return std::string(value->raw);
  };
  settings.source = text("x-trivium-source").value_or("");
  settings.dead_letter_exchange = text("x-dead-letter-exchange");
  settings.dead_letter_key = text("x-dead-letter-routing-key");
  if (const auto ttl = wire::find_field(method.arguments, "x-message-ttl")) {
    settings.message_ttl_ms = ttl->integer();
  }
  return settings;
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
  for (const Row& row : queue_arguments) {
    const auto now = wire::find_field(current.arguments, row.name);
    const auto then = wire::find_field(wanted.arguments, row.name);
    if (!now && !then) continue;
    if (now && then && equal_values(*now, *then)) continue;
    return precondition("inequivalent arg '" + std::string(row.name) + "' for " + resource +
                        ": received " + (then ? described(*then) : "none") + " but current is " +
                        (now ? described(*now) : "none"));
  }
  return std::nullopt;
}

std::optional<Failure> exchange_difference(const model::Exchange& current,
                                           const model::Exchange& wanted) {
  const auto field = model::difference(current, wanted);
  if (!field) return std::nullopt;
  const std::string resource = exchange_resource(current.name);
  switch (*field) {
    case model::ExchangeField::kind:
      return inequivalent("type", resource, model::to_string(wanted.kind),
                          model::to_string(current.kind));
    case model::ExchangeField::durable:
      return inequivalent("durable", resource, word(wanted.durable), word(current.durable));
    case model::ExchangeField::auto_delete:
      return inequivalent("auto_delete", resource, word(wanted.auto_delete),
                          word(current.auto_delete));
    case model::ExchangeField::internal:
      return inequivalent("internal", resource, word(wanted.internal), word(current.internal));
    case model::ExchangeField::alternate: {
      const auto side = [](const std::string& name) {
        return name.empty() ? std::string("none") : "the value '" + name + "' of type 'longstr'";
      };
      return precondition("inequivalent arg 'alternate-exchange' for " + resource + ": received " +
                          side(wanted.alternate) + " but current is " + side(current.alternate));
    }
  }
  return std::nullopt;
}

std::optional<model::HeaderRule> header_rule(ByteView arguments, Failure& failure) {
  model::HeaderRule rule;
  bool with_x = false;
  if (const auto match = wire::find_field(arguments, "x-match")) {
    const std::string_view form = match->type == 'S' ? match->raw : ByteView();
    rule.any = form == "any" || form == "any-with-x";
    with_x = form == "all-with-x" || form == "any-with-x";
    if (!rule.any && !with_x && form != "all") {
      failure = precondition("Invalid x-match field value " + wire::to_text(*match) +
                             "; expected all, any, all-with-x, or any-with-x");
      return std::nullopt;
    }
  }
  wire::TableReader reader(arguments);
  for (wire::Field field; reader.next(field);) {
    if (field.name == "x-match" || (!with_x && field.name.starts_with("x-"))) continue;
    rule.criteria.push_back({std::string(field.name), header_value(field.value)});
  }
  return rule;
}

namespace {

// "<number><unit>" with a unit of Y M D h m s; as milliseconds.
std::optional<std::int64_t> parse_age(ByteView text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end + 1 != text.data() + text.size()) return std::nullopt;
  struct Unit {
    char letter;
    std::int64_t seconds;
  };
  static constexpr Unit units[] = {{'Y', 365 * 86400}, {'M', 30 * 86400}, {'D', 86400},
                                   {'h', 3600},        {'m', 60},         {'s', 1}};
  constexpr std::int64_t count_max = 1'000'000;
  if (count < 0 || count > count_max) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.letter == *end) return count * unit.seconds * 1000;
  }
  return std::nullopt;
}

}  // namespace

std::optional<StreamStart> stream_start(ByteView arguments, WallTime now, Failure& failure) {
  using Kind = StreamStart::Kind;
  const auto value = wire::find_field(arguments, "x-stream-offset");
  if (!value) return StreamStart{};
  if (value->type == 'T') return StreamStart{Kind::time, *value->integer() * 1000};
  if (const auto number = value->integer()) {
    return StreamStart{Kind::sequence, std::max<std::int64_t>(*number, 0)};
  }
  const ByteView text = value->text().value_or(ByteView());
  if (text == "first") return StreamStart{Kind::first};
  if (text == "last") return StreamStart{Kind::last};
  if (text == "next") return StreamStart{Kind::next};
  if (const auto age = parse_age(text)) return StreamStart{Kind::time, now.ms - *age};
  failure = precondition("invalid x-stream-offset: " + wire::to_text(*value));
  return std::nullopt;
}

}  // namespace trv::amqp
