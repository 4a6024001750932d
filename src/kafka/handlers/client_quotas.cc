// DescribeClientQuotas and AlterClientQuotas: how fast users and clients may produce and consume.
#include <cmath>
#include <map>
#include <set>

#include "broker/catalog.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/refusal.h"
#include "model/quotas.h"

namespace trv::kafka {
namespace {

using Of = model::QuotaName::Of;

constexpr std::string_view type_user = "user";
constexpr std::string_view type_client = "client-id";
constexpr std::string_view type_ip = "ip";

Refusal bad_request(std::string message) {
  return {ErrorCode::invalid_request, std::move(message)};
}

std::optional<model::QuotaKind> kind_of(ByteView key) {
  if (key == "producer_byte_rate") return model::QuotaKind::write_rate;
  if (key == "consumer_byte_rate") return model::QuotaKind::read_rate;
  return std::nullopt;
}

std::string_view key_of(model::QuotaKind kind) {
  return kind == model::QuotaKind::write_rate ? "producer_byte_rate" : "consumer_byte_rate";
}

// --- describing ---------------------------------------------------------------------------------

enum class Match : std::int8_t { exact = 0, others = 1, any = 2 };

// What one of the two names must be; nothing where it was not asked for.
struct Wanted {
  Match match = Match::any;
  std::string name;

  bool fits(const model::QuotaName& found) const {
    switch (match) {
      case Match::exact:
        return found.of == Of::named && found.name == name;
      case Match::others:
        return found.of == Of::others;
      case Match::any:
        return found.of != Of::any;
    }
    return false;
  }
};

struct Filter {
  std::map<std::string, Wanted, std::less<>> wanted;  // by type
  bool strict = false;

  bool fits(const model::QuotaSubject& subject) const {
    std::size_t named = 0;
    for (const auto& [type, name] :
         {std::pair(type_user, &subject.user), std::pair(type_client, &subject.client)}) {
      if (name->of != Of::any) ++named;
      auto asked = wanted.find(type);
      if (asked != wanted.end() && !asked->second.fits(*name)) return false;
    }
    // Addresses have no quotas here.
    return !wanted.contains(type_ip) && (!strict || named == wanted.size());
  }
};

Refusal add_component(const wire::DescribeClientQuotasRequest::Component& component,
                      Filter& filter) {
  std::string type(component.entity_type);
  if (type.empty()) return bad_request("Invalid empty entity type.");
  if (filter.wanted.contains(type)) {
    return bad_request("Entity type " + type + " cannot appear more than once in the filter.");
  }
  if (type != type_user && type != type_client && type != type_ip) {
    return {ErrorCode::unsupported_version, "Unsupported entity type " + type};
  }
  const auto match = static_cast<Match>(component.match_type);
  if (match < Match::exact || match > Match::any) {
    return bad_request("Unknown match type " + std::to_string(component.match_type));
  }
  if ((match == Match::exact) != component.match.has_value()) {
    return bad_request(match == Match::exact
                           ? "Request specified MATCH_TYPE_EXACT, but set match string to null."
                           : "Request specified no name to match, but also a match string.");
  }
  filter.wanted[type] = {match, std::string(component.match.value_or(ByteView()))};
  return {};
}

Refusal make_filter(const wire::DescribeClientQuotasRequest& request, Filter& filter) {
  filter.strict = request.strict;
  for (const auto& component : request.components) {
    if (Refusal refusal = add_component(component, filter); !refusal.none()) return refusal;
  }
  if (filter.wanted.contains(type_ip) && filter.wanted.size() > 1) {
    return bad_request(
        "Invalid entity filter component combination. IP filter component should not be used with "
        "user or clientId filter component.");
  }
  return {};
}

using AnswerEntry = wire::DescribeClientQuotasResponse::Entry;

void add_entity(AnswerEntry& entry, std::string_view type, const model::QuotaName& name) {
  if (name.of == Of::any) return;
  auto& entity = entry.entity.emplace_back();
  entity.type = std::string(type);
  if (name.of == Of::named) entity.name = name.name;
}

// --- altering -----------------------------------------------------------------------------------

struct Alteration {
  model::QuotaSubject subject;
  std::map<model::QuotaKind, std::optional<std::uint64_t>> rates;  // nothing: it goes
  bool validate_only = false;
};

using AskedEntry = wire::AlterClientQuotasRequest::Entry;

Refusal make_subject(const AskedEntry& entry, model::QuotaSubject& subject) {
  std::set<ByteView> seen;
  for (const auto& entity : entry.entity) {
    const bool known =
        entity.type == type_user || entity.type == type_client || entity.type == type_ip;
    if (!seen.insert(entity.type).second) {
      return bad_request("Invalid client quota entity, duplicate entity entry " +
                         std::string(entity.type));
    }
    if (!known) {
      return bad_request("Unhandled client quota entity type: " + std::string(entity.type));
    }
    if (entity.name && entity.name->empty()) {
      return bad_request("Empty " + std::string(entity.type) + " not supported");
    }
    model::QuotaName& name = entity.type == type_user ? subject.user : subject.client;
    name = {entity.name ? Of::named : Of::others, std::string(entity.name.value_or(ByteView()))};
  }
  if (seen.empty()) return bad_request("Invalid empty client quota entity");
  if (!seen.contains(type_ip)) return {};
  return bad_request(seen.size() > 1 ? "Invalid quota entity combination, IP entity should not be "
                                       "used with User or ClientId"
                                     : "This broker has no quotas of addresses");
}

Refusal check_value(ByteView key, double value) {
  const std::string name(key);
  constexpr double fraction_max = 1e-6;
  if (value <= 0) return bad_request("Quota " + name + " must be greater than 0");
  if (value > 0x1p63) {
    return bad_request("Proposed value for " + name + " is too large for a LONG.");
  }
  if (!(std::fmod(value, 1.0) <= fraction_max) || value < 1) {
    return bad_request(name + " cannot be a fractional value.");
  }
  return {};
}

Refusal make_rates(const AskedEntry& entry, Alteration& alteration) {
  for (const auto& op : entry.ops) {
    std::optional<model::QuotaKind> kind = kind_of(op.key);
    // To take away what cannot be there changes nothing.
    if (!kind && op.remove) continue;
    if (!kind) return bad_request("Invalid configuration key " + std::string(op.key));
    if (op.remove) {
      alteration.rates[*kind] = std::nullopt;
      continue;
    }
    if (Refusal refusal = check_value(op.key, op.value); !refusal.none()) return refusal;
    alteration.rates[*kind] = static_cast<std::uint64_t>(op.value);
  }
  return {};
}

// On the catalog's core. `done` runs there, when every core keeps to it.
void alter(broker::Broker& owner, const Alteration& alteration,
           UniqueFunction<void(Refusal)> done) {
  broker::Catalog& catalog = owner.catalog();
  model::QuotaRates rates;
  auto present = catalog.quotas_state().all().find(alteration.subject);
  if (present != catalog.quotas_state().all().end()) rates = present->second;
  for (const auto& [kind, rate] : alteration.rates) {
    if (rate) {
      rates[kind] = *rate;
    } else {
      rates.erase(kind);
    }
  }
  catalog.execute_quota(model::encode_quota(alteration.subject, rates),
                        [done = std::move(done)](Result<broker::Durable> result) mutable {
                          if (result) return done({});
                          done({error_code(result.error().code), result.error().message});
                        });
}

using AlterAnswer = Gathering<wire::AlterClientQuotasResponse>;

void alter_entry(const Call& call, const std::shared_ptr<AlterAnswer>& answer, std::size_t place,
                 const AskedEntry& entry, bool validate_only) {
  Alteration alteration;
  alteration.validate_only = validate_only;
  Refusal refusal = make_subject(entry, alteration.subject);
  if (refusal.none()) refusal = make_rates(entry, alteration);
  auto finish = [answer, place](Refusal outcome) {
    auto& told = answer->response.entries[place];
    told.error_code = wire_code(outcome.code);
    if (!outcome.none()) told.error_message = std::move(outcome.message);
    answer->done();
  };
  answer->expect();
  if (!refusal.none() || validate_only) return finish(std::move(refusal));
  call.service.broker().at(
      broker::Catalog::home, [finish, alteration = std::move(alteration),
                              home = call.service.home()](broker::Broker& owner) mutable {
        alter(owner, alteration, [finish, home, &owner](Refusal outcome) mutable {
          back_home(owner, home, [finish, outcome = std::move(outcome)]() mutable {
            finish(std::move(outcome));
          });
        });
      });
}

}  // namespace

void handle_describe_client_quotas(const Call& call,
                                   const wire::DescribeClientQuotasRequest& request) {
  wire::DescribeClientQuotasResponse response;
  Filter filter;
  Refusal refusal = make_filter(request, filter);
  if (!refusal.none()) {
    response.error_code = wire_code(refusal.code);
    response.error_message = std::move(refusal.message);
    return call.reply.send(response);
  }
  response.entries.emplace();
  for (const auto& [subject, rates] : call.service.broker().catalog().quotas()->all()) {
    if (!filter.fits(subject)) continue;
    AnswerEntry& entry = response.entries->emplace_back();
    add_entity(entry, type_user, subject.user);
    add_entity(entry, type_client, subject.client);
    for (const auto& [kind, rate] : rates) {
      entry.values.push_back({std::string(key_of(kind)), static_cast<double>(rate)});
    }
  }
  call.reply.send(response);
}

void handle_alter_client_quotas(const Call& call, const wire::AlterClientQuotasRequest& request) {
  auto answer = gather_answer<wire::AlterClientQuotasResponse>(call.reply);
  answer->response.entries.resize(request.entries.size());
  for (std::size_t place = 0; place < request.entries.size(); ++place) {
    const AskedEntry& entry = request.entries[place];
    for (const auto& entity : entry.entity) {
      auto& told = answer->response.entries[place].entity.emplace_back();
      told.type = std::string(entity.type);
      if (entity.name) told.name = std::string(*entity.name);
    }
    alter_entry(call, answer, place, entry, request.validate_only);
  }
  answer->done();
}

}  // namespace trv::kafka
