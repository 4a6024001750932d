// The type and arguments of exchange.declare, and the keys of bindings that are weights.
#include <charconv>

#include "amqp/arguments.h"
#include "amqp/names.h"
#include "amqp/wire/table.h"
#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

constexpr std::string_view delayed_type = "x-delayed-message";

std::optional<Failure> read_alternate(ByteView arguments, const std::string& name,
                                      std::string& alternate) {
  const auto value = wire::find_field(arguments, "alternate-exchange");
  if (!value) return std::nullopt;
  if (value->type != 'S' || value->raw.size() > 255) {
    return precondition(std::string("invalid type '") + wire::type_name(value->type) +
                        "' for arg 'alternate-exchange' in " + exchange_resource(name));
  }
  alternate = exchange_in(scope_of(name), value->raw);
  return std::nullopt;
}

std::optional<Failure> read_delayed_kind(ByteView arguments, model::Exchange& exchange) {
  const auto type = wire::find_field(arguments, "x-delayed-type");
  const auto name = type ? type->text() : std::nullopt;
  if (!name) {
    return precondition("Invalid argument, 'x-delayed-type' must be an existing exchange type");
  }
  if (*name == delayed_type) {
    return precondition("Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'");
  }
  const auto kind = model::exchange_kind_of(*name);
  if (!kind) return precondition("unknown exchange type '" + std::string(*name) + "'");
  exchange.kind = *kind;
  return std::nullopt;
}

std::optional<Failure> read_hash_source(ByteView arguments, model::Exchange& exchange) {
  using What = model::HashSource::What;
  const auto header = wire::find_field(arguments, "hash-header");
  const auto property = wire::find_field(arguments, "hash-property");
  for (const auto& value : {header, property}) {
    if (value && (value->type != 'S' || value->raw.size() > 255)) {
      return precondition(std::string("invalid type '") + wire::type_name(value->type) +
                          "' of what an exchange is to hash");
    }
  }
  if (header && property) {
    return precondition("hash-header and hash-property are mutually exclusive");
  }
  if (header) exchange.hash = {What::header, std::string(header->raw)};
  if (!property) return std::nullopt;
  for (const char* known : {"correlation_id", "message_id", "timestamp"}) {
    if (property->raw == known) {
      exchange.hash = {What::property, known};
      return std::nullopt;
    }
  }
  return precondition("Unsupported property: " + std::string(property->raw));
}

}  // namespace

std::string type_text(const model::Exchange& exchange) {
  const std::string name(exchange.delayed ? delayed_type : model::to_string(exchange.kind));
  return name.find('-') == std::string::npos ? name : "'" + name + "'";
}

WantedExchange wanted_exchange(const std::string& name, const wire::ExchangeDeclare& method) {
  WantedExchange wanted;
  model::Exchange& exchange = wanted.exchange;
  exchange.name = name;
  exchange.durable = method.durable;
  exchange.auto_delete = method.auto_delete;
  exchange.internal = method.internal;
  exchange.arguments = method.arguments;
  exchange.delayed = method.type == delayed_type;
  const auto kind = model::exchange_kind_of(method.type);
  if (!kind && !exchange.delayed) {
    wanted.malformed = precondition("unknown exchange type '" + std::string(method.type) + "'");
    return wanted;
  }
  if (kind) exchange.kind = *kind;
  wanted.malformed = read_alternate(method.arguments, name, exchange.alternate);
  if (exchange.delayed) wanted.refusal = read_delayed_kind(method.arguments, exchange);
  if (!wanted.refusal && exchange.kind == model::ExchangeKind::hash) {
    wanted.refusal = read_hash_source(method.arguments, exchange);
  }
  return wanted;
}

std::optional<Failure> refuse_weight(std::string_view key) {
  if (model::hash_weight(key) > 0) return std::nullopt;
  const std::string_view digits = key.substr(key.starts_with('+') || key.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    const std::string shown = key.empty() ? "" : '"' + std::string(key) + '"';
    return precondition("The binding key must be an integer: <<" + shown + ">>");
  }
  const bool positive =
      !key.starts_with('-') && digits.find_first_not_of('0') != std::string_view::npos;
  return precondition(positive ? "The binding key must not be greater than 4294967295"
                               : "The binding key must be greater than 0");
}

}  // namespace trv::amqp
