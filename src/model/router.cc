#include "model/router.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/sort_unique.h"
#include "model/hash_choice.h"
#include "model/policies.h"
#include "model/topic_trie.h"

namespace trv::model {

namespace {

struct Predeclared {
  const char* name;
  ExchangeKind kind;
  bool internal;
};
// What clients expect to find without declaring it.
constexpr Predeclared predeclared[] = {
    {"", ExchangeKind::direct, false},
    {"amq.direct", ExchangeKind::direct, false},
    {"amq.fanout", ExchangeKind::fanout, false},
    {"amq.topic", ExchangeKind::topic, false},
    {"amq.headers", ExchangeKind::headers, false},
    {"amq.match", ExchangeKind::headers, false},
    {"amq.rabbitmq.trace", ExchangeKind::topic, true},
};

bool is_predeclared(std::string_view name) {
  return std::any_of(std::begin(predeclared), std::end(predeclared),
                     [&](const Predeclared& p) { return name == p.name; });
}

auto identity(const Binding& b) {
  return std::tie(b.source, b.to_exchange, b.target, b.key, b.arguments);
}

// Numbers are equal by value, whichever kind they came as.
bool equal_values(const HeaderValue& a, const HeaderValue& b) {
  const auto* integer_a = std::get_if<std::int64_t>(&a);
  const auto* integer_b = std::get_if<std::int64_t>(&b);
  const auto* real_a = std::get_if<double>(&a);
  const auto* real_b = std::get_if<double>(&b);
  if (integer_a && real_b) return static_cast<double>(*integer_a) == *real_b;
  if (real_a && integer_b) return *real_a == static_cast<double>(*integer_b);
  return a == b;
}

bool holds(const HeaderRule& rule, const HeaderLookup* headers) {
  HeaderValue value;
  for (const HeaderCriterion& criterion : rule.criteria) {
    const bool found = headers && headers->find(criterion.name, value) &&
                       (std::holds_alternative<std::monostate>(criterion.value) ||
                        equal_values(criterion.value, value));
    if (found == rule.any) return found;
  }
  return !rule.any;
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace

const char* to_string(ExchangeKind kind) {
  switch (kind) {
    case ExchangeKind::direct:
      return "direct";
    case ExchangeKind::fanout:
      return "fanout";
    case ExchangeKind::topic:
      return "topic";
    case ExchangeKind::headers:
      return "headers";
    case ExchangeKind::hash:
      return "x-consistent-hash";
  }
  return "";
}

std::optional<ExchangeKind> exchange_kind_of(std::string_view name) {
  for (const auto kind : {ExchangeKind::direct, ExchangeKind::fanout, ExchangeKind::topic,
                          ExchangeKind::headers, ExchangeKind::hash}) {
    if (name == to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<ExchangeField> difference(const Exchange& current, const Exchange& wanted) {
  if (current.kind != wanted.kind && !(current.delayed && wanted.delayed)) {
    return ExchangeField::kind;
  }
  if (current.delayed != wanted.delayed) return ExchangeField::kind;
  if (current.durable != wanted.durable) return ExchangeField::durable;
  if (current.auto_delete != wanted.auto_delete) return ExchangeField::auto_delete;
  if (current.internal != wanted.internal) return ExchangeField::internal;
  if (current.alternate != wanted.alternate) return ExchangeField::alternate;
  return std::nullopt;
}

bool operator<(const Binding& a, const Binding& b) { return identity(a) < identity(b); }
bool Binding::same_as(const Binding& other) const { return identity(*this) == identity(other); }

// Invariant: the index (targets, by_key, trie) is a function of the bindings.
struct Router::Table {
  struct Target {
    std::string name;
    bool to_exchange = false;
    std::uint32_t uses = 0;  // bindings; 0: the slot is free
  };

  Exchange exchange;
  std::set<Binding> bindings;
  std::vector<Target> targets;
  std::map<std::pair<bool, std::string>, std::uint32_t> slot_of;
  std::vector<std::uint32_t> free_slots;
  // Each (key, slot) once, however many bindings differ only in their arguments.
  std::unordered_map<std::string, std::vector<std::uint32_t>, TextHash, std::equal_to<>> by_key;
  TopicTrie trie;

  bool add(const Binding& binding) {
    const bool known_key = has_same_key(binding);
    if (!bindings.insert(binding).second) return false;
    const std::uint32_t slot = acquire(binding);
    if (!known_key) add_to_index(binding.key, slot);
    return true;
  }

  bool erase(const Binding& binding) {
    const auto found = bindings.find(binding);
    if (found == bindings.end()) return false;
    const Binding gone = *found;
    bindings.erase(found);
    const auto slot_entry = slot_of.find({gone.to_exchange, gone.target});
    TRV_ASSERT(slot_entry != slot_of.end());
    const std::uint32_t slot = slot_entry->second;
    if (!has_same_key(gone)) remove_from_index(gone.key, slot);
    if (--targets[slot].uses == 0) {
      free_slots.push_back(slot);
      slot_of.erase(slot_entry);
    }
    return true;
  }

  // Appends the slots that a message with this key reaches; some perhaps twice.
  void match(std::string_view key, const HeaderLookup* headers,
             std::vector<std::uint32_t>& out) const {
    switch (exchange.kind) {
      case ExchangeKind::direct:
        if (const auto found = by_key.find(key); found != by_key.end()) {
          out.insert(out.end(), found->second.begin(), found->second.end());
        }
        return;
      case ExchangeKind::fanout:
        for (const auto& [name, slot] : slot_of) out.push_back(slot);
        return;
      case ExchangeKind::topic:
        trie.match(key, out);
        return;
      case ExchangeKind::headers:
        for (const Binding& binding : bindings) {
          if (holds(binding.rule, headers)) {
            out.push_back(slot_of.find({binding.to_exchange, binding.target})->second);
          }
        }
        return;
      case ExchangeKind::hash:
        return;  // by all keys together: choose()
    }
  }

  // Of an exchange of kind hash: the one slot that a message with these keys reaches.
  void choose(std::span<const std::string_view> keys, const HeaderLookup* headers,
              std::vector<std::uint32_t>& out) const {
    HashChoice choice(hashed_bytes(exchange.hash, keys, headers));
    const Binding* chosen = nullptr;
    for (const Binding& binding : bindings) {
      if (choice.offer(binding.target, binding.to_exchange, hash_weight(binding.key))) {
        chosen = &binding;
      }
    }
    if (chosen) out.push_back(slot_of.find({chosen->to_exchange, chosen->target})->second);
  }

 private:
  bool has_same_key(const Binding& binding) const {
    Binding lowest = binding;
    lowest.arguments.clear();
    const auto at = bindings.lower_bound(lowest);
    return at != bindings.end() && at->to_exchange == binding.to_exchange &&
           at->target == binding.target && at->key == binding.key;
  }

  std::uint32_t acquire(const Binding& binding) {
    const auto [entry, fresh] = slot_of.try_emplace({binding.to_exchange, binding.target}, 0);
    if (fresh) {
      if (free_slots.empty()) {
        entry->second = static_cast<std::uint32_t>(targets.size());
        targets.emplace_back();
      } else {
        entry->second = free_slots.back();
        free_slots.pop_back();
      }
      targets[entry->second] = {binding.target, binding.to_exchange, 0};
    }
    ++targets[entry->second].uses;
    return entry->second;
  }

  void add_to_index(const std::string& key, std::uint32_t slot) {
    if (exchange.kind == ExchangeKind::direct) by_key[key].push_back(slot);
    if (exchange.kind == ExchangeKind::topic) trie.add(key, slot);
  }

  void remove_from_index(const std::string& key, std::uint32_t slot) {
    if (exchange.kind == ExchangeKind::direct) {
      const auto found = by_key.find(key);
      TRV_ASSERT(found != by_key.end());
      std::erase(found->second, slot);
      if (found->second.empty()) by_key.erase(found);
    }
    if (exchange.kind == ExchangeKind::topic) {
      trie.remove(key, slot);
      if (trie.removed_count() > 64 && trie.removed_count() > bindings.size()) rebuild_trie();
    }
  }

  void rebuild_trie() {
    trie = TopicTrie();
    const Binding* last = nullptr;
    for (const Binding& binding : bindings) {
      // Equal keys of one target are neighbours in the set.
      const bool repeated = last && last->to_exchange == binding.to_exchange &&
                            last->target == binding.target && last->key == binding.key;
      if (!repeated) trie.add(binding.key, slot_of.at({binding.to_exchange, binding.target}));
      last = &binding;
    }
  }
};

Router::Router() {
  for (const Predeclared& p : predeclared) {
    Exchange exchange;
    exchange.name = p.name;
    exchange.kind = p.kind;
    exchange.internal = p.internal;
    declare(exchange);
  }
  version_ = 0;
}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::Router(const Router& other) : slots_(other.slots_), version_(other.version_) {
  for (auto& [name, slot] : slots_) slot = {std::make_shared<Table>(*slot.table), false};
}
Router::Router(const Router& other, Sharing) : slots_(other.slots_), version_(other.version_) {}

std::shared_ptr<const Router> Router::freeze() {
  for (auto& [name, slot] : slots_) slot.frozen = true;
  return std::shared_ptr<const Router>(new Router(*this, Sharing{}));
}

Router::Table& Router::mutable_table(Slot& slot) {
  if (slot.frozen && !TRV_MUTANT(routes_change_under_their_readers))
    slot = {std::make_shared<Table>(*slot.table), false};
  return *slot.table;
}

Status Router::apply(ByteView command) {
  auto parsed = parse_router_command(command);
  if (!parsed) return parsed.error();
  apply(*parsed);
  return {};
}

void Router::apply(const RouterCommand& command) {
  if (const auto* to_declare = std::get_if<DeclareExchange>(&command)) {
    declare(to_declare->exchange);
  } else if (const auto* to_delete = std::get_if<DeleteExchange>(&command)) {
    remove(to_delete->name);
  } else if (const auto* to_bind = std::get_if<Bind>(&command)) {
    bind(to_bind->binding);
  } else if (const auto* to_unbind = std::get_if<Unbind>(&command)) {
    unbind(to_unbind->binding);
  } else if (const auto* gone = std::get_if<RemoveTarget>(&command)) {
    if (!TRV_MUTANT(bindings_outlive_their_queue)) remove_bindings_to(false, gone->name);
  }
}

void Router::declare(const Exchange& exchange) {
  auto [entry, fresh] = slots_.try_emplace(exchange.name);
  if (!fresh) return;
  entry->second.table = std::make_shared<Table>();
  entry->second.table->exchange = exchange;
  ++version_;
}

void Router::remove(std::string_view name) {
  const auto found = slots_.find(name);
  if (found == slots_.end() || is_predeclared(name)) return;
  const std::string gone = found->first;
  slots_.erase(found);
  ++version_;
  remove_bindings_to(true, gone);
}

void Router::bind(const Binding& binding) {
  const auto found = slots_.find(binding.source);
  if (found == slots_.end() || binding.source.empty()) return;
  if (binding.to_exchange && !slots_.contains(binding.target)) return;
  if (found->second.table->bindings.contains(binding)) return;
  mutable_table(found->second).add(binding);
  ++version_;
}

void Router::unbind(const Binding& binding) {
  const auto found = slots_.find(binding.source);
  if (found == slots_.end() || !found->second.table->bindings.contains(binding)) return;
  Table& table = mutable_table(found->second);
  table.erase(binding);
  ++version_;
  if (table.exchange.auto_delete && table.bindings.empty()) remove(binding.source);
}

void Router::remove_bindings_to(bool to_exchange, std::string_view name) {
  std::vector<Binding> gone;
  for (const auto& [exchange, slot] : slots_) {
    if (!slot.table->slot_of.contains({to_exchange, std::string(name)})) continue;
    Binding lowest;
    lowest.source = exchange;
    lowest.to_exchange = to_exchange;
    lowest.target = name;
    const auto& bindings = slot.table->bindings;
    for (auto at = bindings.lower_bound(lowest);
         at != bindings.end() && at->to_exchange == to_exchange && at->target == name; ++at) {
      gone.push_back(*at);
    }
  }
  for (const Binding& binding : gone) unbind(binding);
}

std::vector<std::string> Router::snapshot() const {
  std::vector<std::string> out;
  for (const auto& [name, slot] : slots_) {
    if (!is_predeclared(name)) out.push_back(encode(DeclareExchange{slot.table->exchange}));
  }
  for (const auto& [name, slot] : slots_) {
    for (const Binding& binding : slot.table->bindings) out.push_back(encode(Bind{binding}));
  }
  return out;
}

void Router::drop_transient() {
  std::vector<Binding> bindings_gone;
  std::vector<std::string> exchanges_gone;
  for (const auto& [name, slot] : slots_) {
    if (!slot.table->exchange.durable && !TRV_MUTANT(transient_exchange_outlives_restart))
      exchanges_gone.push_back(name);
    for (const Binding& binding : slot.table->bindings) {
      if (!binding.durable) bindings_gone.push_back(binding);
    }
  }
  for (const Binding& binding : bindings_gone) unbind(binding);
  for (const std::string& name : exchanges_gone) remove(name);
}

const Exchange* Router::find(std::string_view name) const {
  const auto found = slots_.find(name);
  return found == slots_.end() ? nullptr : &found->second.table->exchange;
}

std::vector<const Exchange*> Router::exchanges() const {
  std::vector<const Exchange*> out;
  for (const auto& [name, slot] : slots_) out.push_back(&slot.table->exchange);
  return out;
}

std::vector<Binding> Router::bindings() const {
  std::vector<Binding> out;
  for (const auto& [name, slot] : slots_) {
    out.insert(out.end(), slot.table->bindings.begin(), slot.table->bindings.end());
  }
  return out;
}

bool Router::has_binding(const Binding& binding) const {
  const auto found = slots_.find(binding.source);
  return found != slots_.end() && found->second.table->bindings.contains(binding);
}

bool Router::in_use(std::string_view exchange) const {
  const auto found = slots_.find(exchange);
  return found != slots_.end() && !found->second.table->bindings.empty();
}

namespace {

// Where goes what nothing else takes; empty: nowhere. What the declaration said, it keeps.
std::string_view alternate_of(const Exchange& exchange, const Policies* policies) {
  if (TRV_MUTANT(alternate_exchange_ignored)) return {};
  if (!exchange.alternate.empty() || !policies || policies->all().empty()) {
    return exchange.alternate;
  }
  const Policy* policy =
      policies->match(PolicyClass::users, PolicyTarget::exchanges, exchange.name);
  if (!policy || !policy->definition.alternate) return {};
  return *policy->definition.alternate;
}

}  // namespace

bool Router::route(std::string_view exchange, std::span<const std::string_view> keys,
                   const HeaderLookup* headers, std::vector<std::string_view>& out,
                   std::vector<std::string_view>* delaying, const Policies* policies) const {
  out.clear();
  if (delaying) delaying->clear();
  const auto start = slots_.find(exchange);
  if (start == slots_.end()) return false;
  std::vector<const Table*> visited{start->second.table.get()};
  const auto visit = [&](std::string_view name) {
    const auto found = slots_.find(name);
    if (found == slots_.end()) return;
    const Table* table = found->second.table.get();
    if (std::find(visited.begin(), visited.end(), table) == visited.end()) {
      visited.push_back(table);
    }
  };
  bool repeats = keys.size() > 1;  // `out` may hold a name twice
  std::vector<std::uint32_t> slots;
  // `visited` grows while the walk goes on; each exchange is looked at once.
  for (std::size_t i = 0; i < visited.size(); ++i) {
    const Table& table = *visited[i];
    if (table.exchange.name.empty()) {
      out.insert(out.end(), keys.begin(), keys.end());
      continue;
    }
    if (table.exchange.delayed && delaying && headers && headers->delay_ms() > 0) {
      delaying->push_back(table.exchange.name);
      continue;
    }
    slots.clear();
    if (table.exchange.kind == ExchangeKind::hash) {
      table.choose(keys, headers, slots);
    } else {
      for (const std::string_view key : keys) table.match(key, headers, slots);
    }
    sort_unique(slots);
    if (slots.empty()) {
      const std::string_view alternate = alternate_of(table.exchange, policies);
      if (!alternate.empty()) visit(alternate);
    }
    for (const std::uint32_t slot : slots) {
      const Table::Target& target = table.targets[slot];
      if (target.to_exchange) {
        visit(target.name);
      } else {
        out.push_back(target.name);
      }
    }
  }
  repeats = repeats || visited.size() > 1;
  if (repeats && !TRV_MUTANT(two_copies_for_one_queue)) sort_unique(out);
  return true;
}

bool Router::operator==(const Router& other) const {
  return std::equal(
      slots_.begin(), slots_.end(), other.slots_.begin(), other.slots_.end(),
      [](const auto& a, const auto& b) {
        const Table& left = *a.second.table;
        const Table& right = *b.second.table;
        return left.exchange == right.exchange &&
               std::equal(left.bindings.begin(), left.bindings.end(), right.bindings.begin(),
                          right.bindings.end(), [](const Binding& x, const Binding& y) {
                            return x.same_as(y) && x.durable == y.durable && x.rule == y.rule;
                          });
      });
}

}  // namespace trv::model
