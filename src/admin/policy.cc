#include "admin/policy.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

#include "base/age.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"

namespace trv::admin {

namespace {

namespace json = boost::json;
using model::Overflow;
using model::Policy;
using model::PolicyClass;
using model::PolicyDefinition;
using model::PolicyTarget;
using runtime::Task;

constexpr std::int64_t ten_years_ms = 315'360'000'000;
constexpr std::size_t name_size_max = 255;

struct TargetName {
  const char* name;
  PolicyTarget target;
};
constexpr TargetName targets[] = {
    {"all", PolicyTarget::all},
    {"queues", PolicyTarget::queues},
    {"classic_queues", PolicyTarget::classic_queues},
    {"quorum_queues", PolicyTarget::strict_queues},
    {"streams", PolicyTarget::streams},
    {"exchanges", PolicyTarget::exchanges},
};

struct NumberSetting {
  const char* name;
  const char* words;  // in refusals
  std::optional<std::uint64_t> PolicyDefinition::*member;
  std::int64_t least;
  std::int64_t most;
};
constexpr NumberSetting numbers[] = {
    {"message-ttl", "message TTL", &PolicyDefinition::message_ttl_ms, 0, ten_years_ms},
    {"expires", "queue expiry", &PolicyDefinition::unused_ms_max, 1, ten_years_ms},
    {"max-length", "maximum length", &PolicyDefinition::count_max, 0,
     std::numeric_limits<std::int64_t>::max()},
    {"max-length-bytes", "maximum length in bytes", &PolicyDefinition::bytes_max, 0,
     std::numeric_limits<std::int64_t>::max()},
};

struct OverflowName {
  const char* name;
  Overflow overflow;
};
constexpr OverflowName overflows[] = {
    {"drop-head", Overflow::drop_oldest},
    {"reject-publish", Overflow::refuse},
    {"reject-publish-dlx", Overflow::refuse_to_dead_letters},
};

constexpr const char* strategy_stay = "at-least-once";
constexpr const char* strategy_go = "at-most-once";

Error invalid(const std::string& reason) {
  return {Errc::invalid_argument, "Validation failed\n\n" + reason + "\n"};
}

// False when the setting is another one.
Result<bool> read_number(std::string_view name, const json::value& value, PolicyDefinition& out) {
  for (const NumberSetting& row : numbers) {
    if (row.name != name) continue;
    if (!value.is_int64() || value.get_int64() < row.least || value.get_int64() > row.most) {
      return invalid(json::serialize(value) + " is not a valid " + row.words);
    }
    out.*row.member = static_cast<std::uint64_t>(value.get_int64());
    return true;
  }
  if (name != "delivery-limit") return false;
  if (!value.is_int64() || value.get_int64() > std::numeric_limits<std::int32_t>::max()) {
    return invalid(json::serialize(value) + " is not a valid delivery limit");
  }
  out.failures_max = value.get_int64();
  return true;
}

struct TextSetting {
  const char* name;
  const char* words;  // in refusals
  std::optional<std::string> PolicyDefinition::*member;
};
// Users' policies have these, operators' do not.
constexpr TextSetting texts[] = {
    {"dead-letter-exchange", "dead letter exchange name", &PolicyDefinition::dead_letter_exchange},
    {"dead-letter-routing-key", "dead letter routing key", &PolicyDefinition::dead_letter_key},
    {"alternate-exchange", "alternate exchange name", &PolicyDefinition::alternate},
    {"max-age", "max age", &PolicyDefinition::age_max},
};

// False when the setting is another one.
Result<bool> read_text(std::string_view name, const json::value& value, PolicyDefinition& out) {
  for (const TextSetting& row : texts) {
    if (row.name != name) continue;
    const json::string* text = value.if_string();
    const bool is_age = row.member == &PolicyDefinition::age_max;
    if (!text || text->size() > name_size_max || (is_age && !parse_age(*text))) {
      return invalid(json::serialize(value) + " is not a valid " + row.words);
    }
    out.*row.member = std::string(*text);
    return true;
  }
  return false;
}

Result<bool> read_overflow(std::string_view name, const json::value& value, PolicyDefinition& out) {
  if (name != "overflow") return false;
  for (const OverflowName& row : overflows) {
    if (value.is_string() && row.name == value.get_string()) out.overflow = row.overflow;
  }
  if (!out.overflow) return invalid(json::serialize(value) + " is not a valid overflow value");
  return true;
}

// Users' policies have it, operators' do not.
Result<bool> read_strategy(std::string_view name, const json::value& value, PolicyDefinition& out) {
  if (name != "dead-letter-strategy") return false;
  if (value == strategy_stay) out.dead_letters_stay = true;
  if (value == strategy_go) out.dead_letters_stay = false;
  if (!out.dead_letters_stay) {
    return invalid(json::serialize(value) + " is not a valid dead letter strategy");
  }
  return true;
}

Result<PolicyDefinition> definition_of(PolicyClass of, const json::object& given) {
  if (given.empty()) return invalid("no policy provided");
  PolicyDefinition definition;
  for (const auto& [key, value] : given) {
    const std::string_view name(key.data(), key.size());
    auto taken = read_number(name, value, definition);
    if (taken && !*taken) taken = read_overflow(name, value, definition);
    if (of == PolicyClass::users) {
      if (taken && !*taken) taken = read_text(name, value, definition);
      if (taken && !*taken) taken = read_strategy(name, value, definition);
    }
    if (!taken) return taken.error();
    if (!*taken) return invalid(std::string(name) + " is not a recognised policy setting");
  }
  return definition;
}

json::object definition_to_json(const PolicyDefinition& definition) {
  json::object object;
  for (const NumberSetting& row : numbers) {
    if (definition.*row.member) object[row.name] = *(definition.*row.member);
  }
  if (definition.failures_max) object["delivery-limit"] = *definition.failures_max;
  for (const OverflowName& row : overflows) {
    if (definition.overflow == row.overflow) object["overflow"] = row.name;
  }
  if (definition.dead_letter_exchange) {
    object["dead-letter-exchange"] = local_name(*definition.dead_letter_exchange);
  }
  if (definition.alternate) object["alternate-exchange"] = local_name(*definition.alternate);
  if (definition.dead_letter_key) object["dead-letter-routing-key"] = *definition.dead_letter_key;
  if (definition.age_max) object["max-age"] = *definition.age_max;
  if (definition.dead_letters_stay) {
    object["dead-letter-strategy"] = *definition.dead_letters_stay ? strategy_stay : strategy_go;
  }
  return object;
}

// As Context::change_catalog().
Task<Changed> change(Context& context, PolicyClass of, std::string name, std::string command,
                     bool only_if_there) {
  IsThere there = [of, name = std::move(name)](const broker::Catalog& catalog) {
    return catalog.policies_state().find(of, name) != nullptr;
  };
  co_return co_await context.change_catalog(&broker::Catalog::execute_policy, std::move(command),
                                            std::move(there), only_if_there);
}

}  // namespace

Task<PolicyView> policy_view(Context& context) {
  co_return co_await context.ask<PolicyView>(
      [](broker::Broker& home, UniqueFunction<void(PolicyView)> answer) {
        answer(home.catalog().policies());
      });
}

Task<Changed> put_policy(Context& context, Policy policy) {
  std::string command = model::encode_put(policy);
  co_return co_await change(context, policy.of, policy.name, std::move(command), false);
}

Task<Changed> delete_policy(Context& context, PolicyClass of, std::string name) {
  std::string command = model::encode_delete(of, name);
  co_return co_await change(context, of, std::move(name), std::move(command), true);
}

json::object policy_to_json(const Policy& policy) {
  json::object object;
  const ScopedName parts = split_scoped(policy.name);
  object["vhost"] = parts.scope;
  object["name"] = parts.name;
  object["pattern"] = policy.pattern.text();
  for (const TargetName& row : targets) {
    if (row.target == policy.target) object["apply-to"] = row.name;
  }
  object["definition"] = definition_to_json(policy.definition);
  object["priority"] = policy.priority;
  return object;
}

json::object effective_definition(const model::Policies& policies, const json::object& resource) {
  const auto definition = [&](PolicyClass of, const char* name) -> PolicyDefinition {
    if (!resource.at(name).is_string()) return {};
    const std::string vhost(resource.at("vhost").as_string());
    const Policy* policy = policies.find(of, scoped(vhost, resource.at(name).as_string()));
    return policy ? policy->definition : PolicyDefinition();
  };
  return definition_to_json(model::merged(definition(PolicyClass::users, "policy"),
                                          definition(PolicyClass::operators, "operator_policy")));
}

json::array policies_to_json(const model::Policies& policies, PolicyClass of) {
  json::array all;
  for (const auto& [key, policy] : policies.all()) {
    if (policy.of == of) all.push_back(policy_to_json(policy));
  }
  return all;
}

Result<Policy> policy_from_json(PolicyClass of, const std::string& vhost, const std::string& name,
                                const json::object& body) {
  const std::string missing = missing_keys(body, {"pattern", "definition"});
  if (!missing.empty()) return Error{Errc::invalid_argument, missing};
  Policy policy;
  policy.of = of;
  policy.name = scoped(vhost, name);
  if (name.empty() || name.size() > name_size_max) return invalid("the name is empty or too long");
  const json::value& pattern = body.at("pattern");
  if (!pattern.is_string()) return invalid("pattern should be a regular expression");
  auto parsed = Pattern::parse(std::string(pattern.get_string()));
  if (!parsed) {
    return invalid("pattern should be regular expression but is invalid: " +
                   parsed.error().message);
  }
  policy.pattern = std::move(*parsed);
  const json::value& given = body.at("definition");
  if (!given.is_object()) return invalid("definition should be an object");
  auto definition = definition_of(of, given.get_object());
  if (!definition) return definition.error();
  policy.definition = std::move(*definition);
  for (auto* exchange : {&policy.definition.dead_letter_exchange, &policy.definition.alternate}) {
    if (*exchange && !(*exchange)->empty()) *exchange = scoped(vhost, **exchange);
  }
  if (const json::value* priority = body.if_contains("priority")) {
    if (!priority->is_int64()) return invalid("priority should be a number");
    policy.priority = priority->get_int64();
  }
  const std::string target = body.contains("apply-to") ? text_of(body, "apply-to") : "all";
  for (const TargetName& row : targets) {
    if (row.name != target) continue;
    policy.target = row.target;
    return policy;
  }
  return invalid("apply-to '" + target + "' is not implemented");
}

}  // namespace trv::admin
