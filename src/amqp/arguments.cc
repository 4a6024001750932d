#include "amqp/arguments.h"

#include <algorithm>
#include <array>
#include <limits>

#include "amqp/convert.h"
#include "amqp/wire/table.h"
#include "base/age.h"
#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

const char* word(bool flag) { return flag ? "true" : "false"; }

}  // namespace

std::optional<Failure> exchange_difference(const model::Exchange& current,
                                           const model::Exchange& wanted) {
  const auto field = model::difference(current, wanted);
  if (!field) return std::nullopt;
  const std::string resource = exchange_resource(current.name);
  switch (*field) {
    case model::ExchangeField::kind:
      return inequivalent("type", resource, type_text(wanted), type_text(current));
    case model::ExchangeField::durable:
      return inequivalent("durable", resource, word(wanted.durable), word(current.durable));
    case model::ExchangeField::auto_delete:
      return inequivalent("auto_delete", resource, word(wanted.auto_delete),
                          word(current.auto_delete));
    case model::ExchangeField::internal:
      return inequivalent("internal", resource, word(wanted.internal), word(current.internal));
    case model::ExchangeField::alternate: {
      if (!wanted.alternate.empty() && !current.alternate.empty()) {
        return inequivalent("alternate-exchange", resource, local_name(wanted.alternate),
                            local_name(current.alternate));
      }
      const auto side = [](const std::string& name) {
        return name.empty() ? std::string("none")
                            : "the value '" + std::string(local_name(name)) + "' of type 'longstr'";
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
    if (match->type != 'S') {
      failure =
          precondition(std::string("Invalid x-match field type ") + wire::type_name(match->type) +
                       " (value " + wire::to_text(*match) + "); expected longstr");
      return std::nullopt;
    }
    const std::string_view form = match->raw;
    rule.any = form == "any" || form == "any-with-x";
    with_x = form == "all-with-x" || form == "any-with-x";
    if (!rule.any && !with_x && form != "all") {
      failure = precondition("Invalid x-match field value <<\"" + wire::to_text(*match) +
                             "\">>; expected all, any, all-with-x, or any-with-x");
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

std::optional<StreamStart> stream_start(ByteView arguments, WallTime now, Failure& failure) {
  using Kind = StreamStart::Kind;
  const auto value = wire::find_field(arguments, "x-stream-offset");
  if (!value) return StreamStart{};
  if (value->type == 'T') {
    constexpr std::int64_t seconds_max = std::numeric_limits<std::int64_t>::max() / 1000;
    const std::int64_t seconds = std::clamp<std::int64_t>(*value->integer(), 0, seconds_max);
    return StreamStart{Kind::time, seconds * 1000};
  }
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
