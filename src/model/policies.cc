#include "model/policies.h"

#include <algorithm>

#include "base/mutant.h"
#include "base/scoped_name.h"

namespace trv::model {

namespace {

enum class Op : std::uint8_t { put = 1, remove = 2 };

enum Field : std::uint16_t {
  field_ttl = 1 << 0,
  field_unused = 1 << 1,
  field_count = 1 << 2,
  field_bytes = 1 << 3,
  field_overflow = 1 << 4,
  field_dead_exchange = 1 << 5,
  field_dead_key = 1 << 6,
  field_failures = 1 << 7,
  field_age = 1 << 8,
  field_alternate = 1 << 9,
  field_dead_letters_stay = 1 << 10,
  fields_known = (1 << 11) - 1,
};

std::uint16_t fields_of(const PolicyDefinition& d) {
  int fields = 0;
  if (d.message_ttl_ms) fields |= field_ttl;
  if (d.unused_ms_max) fields |= field_unused;
  if (d.count_max) fields |= field_count;
  if (d.bytes_max) fields |= field_bytes;
  if (d.overflow) fields |= field_overflow;
  if (d.dead_letter_exchange) fields |= field_dead_exchange;
  if (d.dead_letter_key) fields |= field_dead_key;
  if (d.failures_max) fields |= field_failures;
  if (d.age_max) fields |= field_age;
  if (d.alternate) fields |= field_alternate;
  if (d.dead_letters_stay) fields |= field_dead_letters_stay;
  return static_cast<std::uint16_t>(fields);
}

void write_definition(ByteWriter& w, const PolicyDefinition& d) {
  w.u16_le(fields_of(d));
  if (d.message_ttl_ms) w.varint(*d.message_ttl_ms);
  if (d.unused_ms_max) w.varint(*d.unused_ms_max);
  if (d.count_max) w.varint(*d.count_max);
  if (d.bytes_max) w.varint(*d.bytes_max);
  if (d.overflow) w.u8(static_cast<std::uint8_t>(*d.overflow));
  if (d.dead_letter_exchange) w.sized(*d.dead_letter_exchange);
  if (d.dead_letter_key) w.sized(*d.dead_letter_key);
  if (d.failures_max) w.varint_signed(*d.failures_max);
  if (d.age_max) w.sized(*d.age_max);
  if (d.alternate) w.sized(*d.alternate);
  if (d.dead_letters_stay) w.u8(*d.dead_letters_stay ? 1 : 0);
}

PolicyDefinition read_definition(ByteReader& r) {
  PolicyDefinition d;
  const std::uint16_t fields = r.u16_le();
  if ((fields & ~fields_known) != 0) r.fail();
  if (fields & field_ttl) d.message_ttl_ms = r.varint();
  if (fields & field_unused) d.unused_ms_max = r.varint();
  if (fields & field_count) d.count_max = r.varint();
  if (fields & field_bytes) d.bytes_max = r.varint();
  if (fields & field_overflow) {
    const std::uint8_t overflow = r.u8();
    if (overflow > static_cast<std::uint8_t>(Overflow::refuse_to_dead_letters)) r.fail();
    d.overflow = static_cast<Overflow>(overflow);
  }
  if (fields & field_dead_exchange) d.dead_letter_exchange = std::string(r.sized());
  if (fields & field_dead_key) d.dead_letter_key = std::string(r.sized());
  if (fields & field_failures) d.failures_max = r.varint_signed();
  if (fields & field_age) d.age_max = std::string(r.sized());
  if (fields & field_alternate) d.alternate = std::string(r.sized());
  if (fields & field_dead_letters_stay) {
    const std::uint8_t stay = r.u8();
    if (stay > 1) r.fail();
    d.dead_letters_stay = stay == 1;
  }
  return d;
}

PolicyClass read_class(ByteReader& r) {
  const std::uint8_t number = r.u8();
  if (number > static_cast<std::uint8_t>(PolicyClass::operators)) r.fail();
  return static_cast<PolicyClass>(number);
}

// The smaller of two limits, of which either may be absent.
template <class T>
std::optional<T> lesser(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b || TRV_MUTANT(operator_policy_may_not_lower_a_limit)) return a ? a : b;
  return std::min(*a, *b);
}

// The same of numbers of which a negative one is no limit.
std::optional<std::int64_t> lesser_limit(const std::optional<std::int64_t>& a,
                                         const std::optional<std::int64_t>& b) {
  if (!a || (*a < 0 && b)) return b;
  if (!b || *b < 0) return a;
  return lesser(a, b);
}

bool fits(PolicyTarget target, PolicyTarget resource) {
  if (target == PolicyTarget::all || target == resource) return true;
  if (TRV_MUTANT(policy_target_ignored)) return true;
  return target == PolicyTarget::queues && resource != PolicyTarget::exchanges;
}

}  // namespace

PolicyDefinition merged(const PolicyDefinition& user, const PolicyDefinition& op) {
  PolicyDefinition all = user;
  all.message_ttl_ms = lesser(user.message_ttl_ms, op.message_ttl_ms);
  all.unused_ms_max = lesser(user.unused_ms_max, op.unused_ms_max);
  all.count_max = lesser(user.count_max, op.count_max);
  all.bytes_max = lesser(user.bytes_max, op.bytes_max);
  if (op.overflow) all.overflow = op.overflow;
  if (op.dead_letter_exchange) all.dead_letter_exchange = op.dead_letter_exchange;
  if (op.dead_letter_key) all.dead_letter_key = op.dead_letter_key;
  all.failures_max = lesser_limit(user.failures_max, op.failures_max);
  if (op.age_max) all.age_max = op.age_max;
  if (op.alternate) all.alternate = op.alternate;
  if (op.dead_letters_stay) all.dead_letters_stay = op.dead_letters_stay;
  return all;
}

std::string encode_put(const Policy& policy) {
  std::string out;
  ByteWriter w(out);
  w.u8(static_cast<std::uint8_t>(Op::put));
  w.u8(static_cast<std::uint8_t>(policy.of));
  w.sized(policy.name);
  w.sized(policy.pattern.text());
  w.u8(static_cast<std::uint8_t>(policy.target));
  w.varint_signed(policy.priority);
  write_definition(w, policy.definition);
  return out;
}

std::string encode_delete(PolicyClass of, std::string_view name) {
  std::string out;
  ByteWriter w(out);
  w.u8(static_cast<std::uint8_t>(Op::remove));
  w.u8(static_cast<std::uint8_t>(of));
  w.sized(name);
  return out;
}

Status Policies::apply(ByteView command) {
  const Error malformed{Errc::corrupt, "malformed command about policies"};
  ByteReader r(command);
  const auto op = static_cast<Op>(r.u8());
  Policy policy;
  policy.of = read_class(r);
  policy.name = r.sized();
  if (op == Op::remove) {
    if (!r.done()) return malformed;
    policies_.erase({policy.of, policy.name});
    return {};
  }
  auto pattern = Pattern::parse(std::string(r.sized()));
  const std::uint8_t target = r.u8();
  policy.priority = r.varint_signed();
  policy.definition = read_definition(r);
  const bool whole = op == Op::put && pattern && r.done() &&
                     target <= static_cast<std::uint8_t>(PolicyTarget::streams);
  if (!whole) return malformed;
  policy.pattern = std::move(*pattern);
  policy.target = static_cast<PolicyTarget>(target);
  std::pair<PolicyClass, std::string> key(policy.of, policy.name);
  policies_.insert_or_assign(std::move(key), std::move(policy));
  return {};
}

std::vector<std::string> Policies::snapshot() const {
  std::vector<std::string> commands;
  for (const auto& [key, policy] : policies_) {
    if (policy.of == PolicyClass::operators && TRV_MUTANT(operator_policy_lost_in_checkpoint))
      continue;
    commands.push_back(encode_put(policy));
  }
  return commands;
}

const Policy* Policies::find(PolicyClass of, const std::string& name) const {
  const auto found = policies_.find({of, name});
  return found == policies_.end() ? nullptr : &found->second;
}

const Policy* Policies::match(PolicyClass of, PolicyTarget resource, std::string_view name) const {
  const Policy* best = nullptr;
  const ScopedName wanted = split_scoped(name);
  for (const auto& [key, policy] : policies_) {
    if (policy.of != of || !fits(policy.target, resource)) continue;
    const bool is_here = scope_of(policy.name) == wanted.scope;
    if (!is_here && !TRV_MUTANT(policy_crosses_scopes)) continue;
    if (best && (best->priority >= policy.priority || TRV_MUTANT(policy_priority_ignored)))
      continue;
    if (policy.pattern.matches(wanted.name)) best = &policy;
  }
  return best;
}

}  // namespace trv::model
