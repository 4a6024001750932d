// Router: exchanges and bindings; from (exchange, routing key, headers) to the names of topics.
//
// Owner: one Router, the shard that owns the catalog; it changes by apply() alone, both live and in
// recovery. Publishing reads an immutable copy, `shared_ptr<const Router>`, that freeze() makes for
// all cores: it is shared because cores drop old copies at their own time. Copies share the tables
// of exchanges that have not changed since.
//
// Invariants:
//   - the nameless exchange and the predeclared ones always exist and are never deleted;
//   - a binding's source exists; bindings are a set over (source, target, key, arguments);
//   - which target of an exchange of kind hash gets a message depends on its bindings and the
//   message
//     alone, and changes for as few messages as can be when a binding comes or goes;
//   - an auto-delete exchange goes with its last binding as source, never before the first;
//   - applying snapshot() to a new Router gives an equal one;
//   - apply() of a command about something that is not there changes nothing.
//
// It does not know whether a topic exists (the nameless exchange routes every key to the name that
// equals it), who may do what, or how errors are worded.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::model {

enum class ExchangeKind : std::uint8_t { direct = 0, fanout = 1, topic = 2, headers = 3, hash = 4 };
const char* to_string(ExchangeKind kind);
std::optional<ExchangeKind> exchange_kind_of(std::string_view name);

// What an exchange of kind hash looks at to choose one of its targets.
struct HashSource {
  enum class What : std::uint8_t { key = 0, header = 1, property = 2 };
  What what = What::key;
  std::string name;  // of the header or property
  bool operator==(const HashSource&) const = default;
};

struct Exchange {
  std::string name;
  ExchangeKind kind = ExchangeKind::direct;
  bool durable = true;
  bool auto_delete = false;
  bool internal = false;  // only other exchanges may publish to it
  std::string alternate;  // where a message goes that this exchange routes nowhere; "" for none
  std::string arguments;  // opaque; not compared
  bool delayed = false;   // keeps back what asks for it, and routes it when its time has come
  HashSource hash;        // of kind hash
  bool operator==(const Exchange&) const = default;
};

// In what a declaration differs from what exists.
enum class ExchangeField : std::uint8_t { kind, durable, auto_delete, internal, alternate };
std::optional<ExchangeField> difference(const Exchange& current, const Exchange& wanted);

// A header's value as matching sees it. Integers of all widths and times are integers; text and
// bytes are text; what is neither is text of the form that its codec chose, behind a zero octet.
using HeaderValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

struct HeaderCriterion {
  std::string name;
  HeaderValue value;  // monostate: the header's presence is enough
  bool operator==(const HeaderCriterion&) const = default;
};

// What a binding of a headers exchange asks for.
struct HeaderRule {
  bool any = false;  // one criterion is enough; else all must hold
  std::vector<HeaderCriterion> criteria;
  bool operator==(const HeaderRule&) const = default;
};

// The weight that the key of a binding gives its target at an exchange of kind hash; 0 when the key
// is no such number.
std::uint32_t hash_weight(std::string_view key);

// Reads the headers of a message that is being routed.
class HeaderLookup {
 public:
  virtual ~HeaderLookup() = default;
  // Whether a header of this name is there, and its value.
  virtual bool find(std::string_view name, HeaderValue& value) const = 0;
  // The same of what a message says beside its headers: message_id, correlation_id, timestamp.
  virtual bool find_property(std::string_view, HeaderValue&) const { return false; }
  // For how long an exchange that delays is to keep it back, in milliseconds; 0: not at all.
  virtual std::int64_t delay_ms() const { return 0; }
};

struct Binding {
  std::string source;
  bool to_exchange = false;
  std::string target;
  std::string key;
  std::string
      arguments;        // opaque; part of the identity, so its codec must write equal ones equally
  HeaderRule rule;      // what the arguments mean to a headers exchange; not part of the identity
  bool durable = true;  // source and target are

  friend bool operator<(const Binding& a, const Binding& b);
  bool same_as(const Binding& other) const;
};

// Commands. Their encoding is docs/formats/router.md.
struct DeclareExchange {
  Exchange exchange;
};
struct DeleteExchange {
  std::string name;
};
struct Bind {
  Binding binding;
};
struct Unbind {
  Binding binding;  // rule and durable are not looked at
};
// The topic `name` is gone: all bindings to it go.
struct RemoveTarget {
  std::string name;
};
using RouterCommand = std::variant<DeclareExchange, DeleteExchange, Bind, Unbind, RemoveTarget>;

std::string encode(const RouterCommand& command);
Result<RouterCommand> parse_router_command(ByteView bytes);

class Policies;

class Router {
 public:
  Router();
  ~Router();
  // A whole copy that shares nothing; freeze() is the cheap one.
  Router(const Router& other);
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  // Errors: corrupt (not a command). Anything else is a change or no change.
  Status apply(ByteView command);
  void apply(const RouterCommand& command);
  // Commands that rebuild this state from a new Router, in order.
  std::vector<std::string> snapshot() const;
  // Removes what is not durable; for the end of recovery.
  void drop_transient();
  // A copy for readers; cheap: tables are shared until they change again.
  std::shared_ptr<const Router> freeze();
  // Grows with every change.
  std::uint64_t version() const { return version_; }

  // Null when there is none. Valid until the next apply().
  const Exchange* find(std::string_view name) const;
  std::vector<const Exchange*> exchanges() const;
  std::vector<Binding> bindings() const;
  bool has_binding(const Binding& binding) const;
  // Whether anything is bound to it as source.
  bool in_use(std::string_view exchange) const;

  // Puts the names of the topics that a message reaches into `out`, each once. The views point into
  // this Router and into `keys`. `headers` may be null when there are none.
  // False when `exchange` does not exist (`out` is then empty). With `delaying`, exchanges that
  // keep the message back are put there and not looked into; without, they route like others.
  // `policies` give alternates to exchanges that were declared without; null when none do.
  bool route(std::string_view exchange, std::span<const std::string_view> keys,
             const HeaderLookup* headers, std::vector<std::string_view>& out,
             std::vector<std::string_view>* delaying = nullptr,
             const Policies* policies = nullptr) const;

  bool operator==(const Router& other) const;

  static constexpr std::string_view headers_match_name = "amq.match";

 private:
  struct Table;  // one exchange and what is bound to it
  struct Slot {
    std::shared_ptr<Table> table;  // shared with frozen copies
    bool frozen = false;           // a copy has it: clone before changing
  };
  struct Sharing {};
  Router(const Router& other, Sharing);

  Table& mutable_table(Slot& slot);
  void declare(const Exchange& exchange);
  void remove(std::string_view name);
  void bind(const Binding& binding);
  void unbind(const Binding& binding);
  void remove_bindings_to(bool to_exchange, std::string_view name);

  std::map<std::string, Slot, std::less<>> slots_;
  std::uint64_t version_ = 0;
};

}  // namespace trv::model
