// Encoding of router commands: docs/formats/router.md.
#include <bit>

#include "model/router.h"

namespace trv::model {

namespace {

enum class Op : std::uint8_t {
  declare_exchange = 1,
  delete_exchange = 2,
  bind = 3,
  unbind = 4,
  remove_target = 5,
};

enum ExchangeFlag : std::uint8_t {
  flag_durable = 1,
  flag_auto_delete = 2,
  flag_internal = 4,
  flag_delayed = 8,
};
enum BindingFlag : std::uint8_t { flag_to_exchange = 1, flag_binding_durable = 2, flag_any = 4 };

void write_value(ByteWriter& w, const HeaderValue& value) {
  w.u8(static_cast<std::uint8_t>(value.index()));
  if (const auto* flag = std::get_if<bool>(&value)) w.u8(*flag ? 1 : 0);
  if (const auto* number = std::get_if<std::int64_t>(&value)) w.i64_le(*number);
  if (const auto* real = std::get_if<double>(&value)) {
    w.u64_le(std::bit_cast<std::uint64_t>(*real));
  }
  if (const auto* text = std::get_if<std::string>(&value)) w.sized(*text);
}

HeaderValue read_value(ByteReader& r) {
  switch (r.u8()) {
    case 0:
      return std::monostate{};
    case 1:
      return r.u8() != 0;
    case 2:
      return r.i64_le();
    case 3:
      return std::bit_cast<double>(r.u64_le());
    case 4:
      return std::string(r.sized());
    default:
      r.fail();
      return std::monostate{};
  }
}

void write_binding(ByteWriter& w, const Binding& binding) {
  w.u8(static_cast<std::uint8_t>((binding.to_exchange ? flag_to_exchange : 0) |
                                 (binding.durable ? flag_binding_durable : 0) |
                                 (binding.rule.any ? flag_any : 0)));
  w.sized(binding.source);
  w.sized(binding.target);
  w.sized(binding.key);
  w.sized(binding.arguments);
  w.varint(binding.rule.criteria.size());
  for (const HeaderCriterion& criterion : binding.rule.criteria) {
    w.sized(criterion.name);
    write_value(w, criterion.value);
  }
}

Binding read_binding(ByteReader& r) {
  Binding binding;
  const std::uint8_t flags = r.u8();
  binding.to_exchange = (flags & flag_to_exchange) != 0;
  binding.durable = (flags & flag_binding_durable) != 0;
  binding.rule.any = (flags & flag_any) != 0;
  binding.source = r.sized();
  binding.target = r.sized();
  binding.key = r.sized();
  binding.arguments = r.sized();
  const std::uint64_t count = r.varint();
  for (std::uint64_t i = 0; i < count && r.ok(); ++i) {
    std::string name(r.sized());
    HeaderValue value = read_value(r);
    binding.rule.criteria.push_back({std::move(name), std::move(value)});
  }
  return binding;
}

void write_exchange(ByteWriter& w, const Exchange& exchange) {
  w.sized(exchange.name);
  w.u8(static_cast<std::uint8_t>(exchange.kind));
  w.u8(static_cast<std::uint8_t>(
      (exchange.durable ? flag_durable : 0) | (exchange.auto_delete ? flag_auto_delete : 0) |
      (exchange.internal ? flag_internal : 0) | (exchange.delayed ? flag_delayed : 0)));
  w.sized(exchange.alternate);
  w.sized(exchange.arguments);
  if (exchange.kind != ExchangeKind::hash) return;
  w.u8(static_cast<std::uint8_t>(exchange.hash.what));
  w.sized(exchange.hash.name);
}

Exchange read_exchange(ByteReader& r) {
  Exchange exchange;
  exchange.name = r.sized();
  const std::uint8_t kind = r.u8();
  if (kind > static_cast<std::uint8_t>(ExchangeKind::hash)) r.fail();
  exchange.kind = static_cast<ExchangeKind>(kind);
  const std::uint8_t flags = r.u8();
  exchange.durable = (flags & flag_durable) != 0;
  exchange.auto_delete = (flags & flag_auto_delete) != 0;
  exchange.internal = (flags & flag_internal) != 0;
  exchange.delayed = (flags & flag_delayed) != 0;
  exchange.alternate = r.sized();
  exchange.arguments = r.sized();
  if (exchange.kind != ExchangeKind::hash) return exchange;
  const std::uint8_t what = r.u8();
  if (what > static_cast<std::uint8_t>(HashSource::What::property)) r.fail();
  exchange.hash.what = static_cast<HashSource::What>(what);
  exchange.hash.name = r.sized();
  return exchange;
}

}  // namespace

std::string encode(const RouterCommand& command) {
  std::string out;
  ByteWriter w(out);
  const auto op = [&](Op code) { w.u8(static_cast<std::uint8_t>(code)); };
  if (const auto* declare = std::get_if<DeclareExchange>(&command)) {
    op(Op::declare_exchange);
    write_exchange(w, declare->exchange);
  } else if (const auto* remove = std::get_if<DeleteExchange>(&command)) {
    op(Op::delete_exchange);
    w.sized(remove->name);
  } else if (const auto* bind = std::get_if<Bind>(&command)) {
    op(Op::bind);
    write_binding(w, bind->binding);
  } else if (const auto* unbind = std::get_if<Unbind>(&command)) {
    op(Op::unbind);
    write_binding(w, unbind->binding);
  } else if (const auto* gone = std::get_if<RemoveTarget>(&command)) {
    op(Op::remove_target);
    w.sized(gone->name);
  }
  return out;
}

Result<RouterCommand> parse_router_command(ByteView bytes) {
  ByteReader r(bytes);
  RouterCommand command;
  switch (static_cast<Op>(r.u8())) {
    case Op::declare_exchange:
      command = DeclareExchange{read_exchange(r)};
      break;
    case Op::delete_exchange:
      command = DeleteExchange{std::string(r.sized())};
      break;
    case Op::bind:
      command = Bind{read_binding(r)};
      break;
    case Op::unbind:
      command = Unbind{read_binding(r)};
      break;
    case Op::remove_target:
      command = RemoveTarget{std::string(r.sized())};
      break;
    default:
      r.fail();
  }
  if (!r.done()) return Error{Errc::corrupt, "malformed router command"};
  return command;
}

}  // namespace trv::model
