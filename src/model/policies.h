// Policies: settings for all queues and exchanges of which the names match a pattern, those of
// users and those of the operator.
//
// Owner: the catalog's core changes it by apply() alone, live and in recovery; every core reads an
// immutable copy.
//
// Names are scoped (base/scoped_name.h): a policy bears on what is in the scope of its own name,
// and its pattern is compared with names as they are there.
//
// Invariants: names are unique within a class; applying snapshot() to new Policies gives equal
// ones. It does not know what a setting does, nor what a declaration said about it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/pattern.h"
#include "base/result.h"
#include "model/queue_limits.h"

namespace trv::model {

enum class PolicyClass : std::uint8_t { users = 0, operators = 1 };

// What a policy is for; a resource is one of the last four.
enum class PolicyTarget : std::uint8_t {
  all = 0,
  queues = 1,
  exchanges = 2,
  classic_queues = 3,
  strict_queues = 4,
  streams = 5,
};

struct PolicyDefinition {
  std::optional<std::uint64_t> message_ttl_ms;
  std::optional<std::uint64_t> unused_ms_max;
  std::optional<std::uint64_t> count_max;
  std::optional<std::uint64_t> bytes_max;
  std::optional<Overflow> overflow;
  std::optional<std::string> dead_letter_exchange;
  std::optional<std::string> dead_letter_key;
  std::optional<std::int64_t> failures_max;  // negative: no limit
  std::optional<std::string> age_max;        // of records of a stream; see base/age.h
  std::optional<std::string> alternate;      // of an exchange; empty: none
  std::optional<bool> dead_letters_stay;     // of strict queues; else they may be dropped
  bool operator==(const PolicyDefinition&) const = default;
};

struct Policy {
  PolicyClass of = PolicyClass::users;
  std::string name;
  Pattern pattern;
  PolicyTarget target = PolicyTarget::all;
  std::int64_t priority = 0;
  PolicyDefinition definition;
  bool operator==(const Policy&) const = default;
};

// What both say together: of limits the smaller one, of everything else what the operator says.
PolicyDefinition merged(const PolicyDefinition& user, const PolicyDefinition& op);

// Commands; docs/formats/access.md.
std::string encode_put(const Policy& policy);
std::string encode_delete(PolicyClass of, std::string_view name);

class Policies {
 public:
  // Errors: corrupt (not a command).
  Status apply(ByteView command);
  std::vector<std::string> snapshot() const;

  const Policy* find(PolicyClass of, const std::string& name) const;
  // The one with the highest priority that matches, of equal ones the first by name; null without.
  // Requires: `resource` is exchanges, or a kind of queue.
  const Policy* match(PolicyClass of, PolicyTarget resource, std::string_view name) const;
  using All = std::map<std::pair<PolicyClass, std::string>, Policy>;
  const All& all() const { return policies_; }
  bool operator==(const Policies&) const = default;

 private:
  All policies_;
};

}  // namespace trv::model
